"""Make a fine-tuned token classification model smaller and faster; prune, quantize, report what each costs.

python compress_token_cls.py --model_name_or_path best_models/msra_ner/ --dataset msra_ner
"""

import sys

from compress_utils import run_compress_script

if __name__ == "__main__":
    run_compress_script("token_cls", "msra_ner", str(__doc__), sys.argv[1:])
