"""What the flows of this folder can run: plain functions, async or not.

Arguments come by name from a step's ``with``; what is returned becomes the step's output, so it has to be JSON.
"""


def greet(name: str, greeting: str) -> str:
    """A greeting, as a sentence."""
    return f"{greeting}, {name}!"
