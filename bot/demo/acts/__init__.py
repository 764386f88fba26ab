"""What ``signoff demo --auto`` plays: each ready-made flow at least once, in the order in which the demo offers them."""

from bot.demo.acts import approvals, holds, jobs, links, people, vacations
from bot.demo.play import Act

ACTS: tuple[Act, ...] = (
    *vacations.ACTS,
    *approvals.ACTS,
    *people.ACTS,
    *holds.ACTS,
    *links.ACTS,
    *jobs.ACTS,
)
