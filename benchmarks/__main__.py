"""All tables, one after the other; under a key and a state of their own."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cost import print_cost
from benchmarks.forecast import print_forecast
from benchmarks.genetic import print_genetic
from benchmarks.leakage import print_leakage
from benchmarks.paper import print_paper

if __name__ == "__main__":
    with TemporaryDirectory() as place:
        os.environ["CLOUDSEC_KEY_FILE"] = str(Path(place) / "key")
        os.environ["CLOUDSEC_STATE"] = place
        print_cost()
        print()
        print_leakage()
        print()
        print_paper()
        print()
        print_genetic()
        print()
        print_forecast()
