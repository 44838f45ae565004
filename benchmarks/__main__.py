"""All tables, one after the other."""

from benchmarks.cost import print_cost
from benchmarks.leakage import print_leakage

if __name__ == "__main__":
    print_cost()
    print()
    print_leakage()
