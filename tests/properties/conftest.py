"""Where Hypothesis keeps what it computes for itself: outside the repository."""

import tempfile

from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(f"{tempfile.gettempdir()}/hypothesis")
