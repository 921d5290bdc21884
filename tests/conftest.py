"""What holds for every test: examples of a property are not timed, because these machines do other things too."""

import hypothesis

hypothesis.settings.register_profile("quietline", deadline=None)
hypothesis.settings.load_profile("quietline")
