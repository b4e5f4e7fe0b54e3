"""A study of what people prefer: pictures without names, votes that count once, and the table of them.

No vote is ever made up: all of them come from people through `haarmony study serve`.
"""
