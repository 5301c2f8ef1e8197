"""Fine-tune, evaluate, predict and export an ERNIE model that finds entities: MSRA_NER or your own data.

python run_token_cls.py --dataset msra_ner
"""

import sys

from utils import run_script

if __name__ == "__main__":
    run_script("token_cls", "msra_ner", str(__doc__), sys.argv[1:])
