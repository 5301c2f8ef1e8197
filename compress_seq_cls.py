"""Make a fine-tuned classification model smaller and faster; prune, quantize, report what each costs.

python compress_seq_cls.py --model_name_or_path best_models/afqmc/ --dataset afqmc
"""

import sys

from compress_utils import run_compress_script

if __name__ == "__main__":
    run_compress_script("seq_cls", "afqmc", str(__doc__), sys.argv[1:])
