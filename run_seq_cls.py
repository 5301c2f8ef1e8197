"""Fine-tune, evaluate, predict and export an ERNIE model on a CLUE classification set or your own.

python run_seq_cls.py --dataset afqmc
"""

import sys

from utils import run_script

if __name__ == "__main__":
    run_script("seq_cls", "afqmc", str(__doc__), sys.argv[1:])
