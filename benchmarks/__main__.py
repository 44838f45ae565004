"""The tables of `make bench`, one after the other; under a key and a state of their own."""

from benchmarks.cost import print_cost
from benchmarks.forecast import print_forecast
from benchmarks.genetic import print_genetic
from benchmarks.leakage import print_leakage
from benchmarks.operators import print_operators
from benchmarks.paper import print_paper
from benchmarks.sharing import print_sharing
from benchmarks.state import own_state
from benchmarks.verification import print_verification

if __name__ == "__main__":
    with own_state():
        print_cost()
        print()
        print_leakage()
        print()
        print_paper()
        print()
        print_genetic()
        print()
        print_forecast()
        print()
        print_sharing()
        print()
        print_operators()
        print()
        print_verification()
