"""How well a scorer does on labelled messages that anyone brings, clean and disguised: `quietline evaluate`.

    messages.py    labels, and the folder that messages are read from
    counting.py    what a scorer answered, in counts, and each mistake
    disguises.py   the same messages as people write them who want to get past a filter
    judge.py       all of it, for a function that decides
    figures.py     what is then known; holds no text of a message
    terminal.py, report.py, plots.py     the same, to look at

A message is caught if its category is one of harassment and its action is not `allow`. Caught harassment is recall, a
caught legitimate message is a false positive. Marketing is told apart from both: `marketing_seen` is the share that is
called promotion or harassment, `as_promotion` the share of legitimate messages that is called promotion, so that a
scorer that answers promotion to everything does not look good.
"""
