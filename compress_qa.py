"""Make a fine-tuned question answering model smaller and faster; prune, quantize, report what each costs.

python compress_qa.py --model_name_or_path best_models/cmrc2018/ --dataset cmrc2018
"""

import sys

from compress_utils import run_compress_script

if __name__ == "__main__":
    run_compress_script("qa", "cmrc2018", str(__doc__), sys.argv[1:])
