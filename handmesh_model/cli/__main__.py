"""``python -m handmesh_model.cli COMMAND``, where the console script is not installed."""

import sys

from handmesh_model.cli import main

if __name__ == '__main__':
    sys.exit(main())
