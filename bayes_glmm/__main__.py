"""``python -m bayes_glmm``: the command line."""

import sys

from bayes_glmm.cli import main

if __name__ == "__main__":
    sys.exit(main())
