"""What properties of operations are drawn from."""

from hypothesis import strategies as st

MODES = ["reflect", "nearest", "mirror", "constant"]
SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
COLOURS = st.tuples(st.integers(1, 16), st.integers(1, 16), st.sampled_from([3, 4]))
