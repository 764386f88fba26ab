"""The actions that act on Signoff itself: a flow starts another flow's run, or resumes one."""
