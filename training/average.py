"""Average the weights of two runs (model soup, Wortsman et al. 2022): python -m training.average A B OUT --share 0.4"""

import argparse
from pathlib import Path

import torch


def main() -> None:
    """Write the average of two weight files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path, help="weights of a run that started from the first one")
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="weight of the first in the average")
    args = parser.parse_args()
    first, second = torch.load(args.first), torch.load(args.second)
    torch.save({name: torch.lerp(value, first[name], args.share) for name, value in second.items()}, args.out)


if __name__ == "__main__":
    main()
