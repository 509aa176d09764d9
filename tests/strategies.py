"""Hypothesis strategies that several tests draw from."""

from hypothesis import strategies as st

from wsbench.settings import STRATEGIES, DeflateSettings

any_settings = st.builds(
    DeflateSettings,
    st.integers(9, 15),
    st.integers(1, 9),
    st.integers(0, 9),
    st.sampled_from(STRATEGIES),
    st.booleans(),
)
