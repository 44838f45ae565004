"""Jobs of tests that are about blocks: under `ga-es`, unless they name another scheme."""

from functools import partial

import cloudsec

SCHEME = "ga-es"
Broker = partial(cloudsec.Broker, scheme=SCHEME)
process = partial(cloudsec.process, scheme=SCHEME)
