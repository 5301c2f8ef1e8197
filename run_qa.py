"""Fine-tune, evaluate, predict and export an ERNIE model that answers questions: CMRC2018 or your own data.

python run_qa.py --dataset cmrc2018
"""

import sys

from utils import run_script

if __name__ == "__main__":
    run_script("qa", "cmrc2018", str(__doc__), sys.argv[1:])
