"""``signoff doctor``: looks at an installation from where it runs, and says what to do. It changes nothing, and posts nothing.

One file for each subject. A check is a small object with a name; what it finds are sentences for people.
"""
