"""What is wrong with a flow as a whole: what no model can see by looking at itself alone. Pure.

Expressions compile and name what there is, where it can be known by then; quorums can be met; secrets are
read only where they stay secret; nobody is asked under a name that names nobody; flows do not run each other without
end. A file that has other mistakes too is still checked as far as it can be understood, so that an author gets every
sentence at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flows.checks.actions import Actions, Connections, check_actions
from flows.checks.children import check_children, check_starts, names_others
from flows.checks.clocks import check_clocks
from flows.checks.expressions import check_expressions, check_plain, check_supersede
from flows.checks.fields import check_forms
from flows.checks.ids import check_ids
from flows.checks.loops import check_loops
from flows.checks.neighbours import Neighbours
from flows.checks.people import check_people
from flows.checks.scope import Scope
from flows.checks.triggers import check_started
from flows.checks.unattended import check_unattended
from flows.checks.unread import check_unread
from flows.checks.waits import check_waits
from flows.checks.written import Written
from flows.definition import Flow
from flows.findings import Finding, Loc
from flows.mistakes import value_at
from flows.ports import Json

__all__ = ["Actions", "Connections", "Finding", "Neighbours", "Written", "check", "check_parts", "names_others"]


def check(
    flow: Flow,
    *,
    actions: Actions | None = None,
    connections: Connections | None = None,
    others: Iterable[Flow] | None = None,
) -> list[Finding]:
    """Everything that is wrong with a flow whose models are valid; in the order of the definition.

    ``actions`` are the actions that there are, ``connections`` the accounts, ``others`` all other flows. Where one of
    them is None, what names it is not judged.
    """
    neighbours = None
    if others is not None:
        flows = {each.flow: Written(each.model_dump(mode="json"), each) for each in others}
        neighbours = Neighbours(flows, frozenset(flows))
    written = Written(flow.model_dump(mode="json"), flow)
    return check_parts(written, actions=actions, connections=connections, neighbours=neighbours)


def check_parts(
    written: Written,
    *,
    actions: Actions | None = None,
    connections: Connections | None = None,
    neighbours: Neighbours | None = None,
) -> list[Finding]:
    """The same for a definition that may be broken: what can be said all the same."""
    scope = Scope(written)
    findings = [
        *check_ids(written),
        *check_forms(written),
        *check_plain(scope),
        *check_expressions(scope),
        *check_supersede(scope),
        *check_people(written),
        *check_actions(written, actions, connections),
        *check_waits(scope),
        *check_clocks(written),
        *check_loops(written),
        *check_children(scope, neighbours),
        *check_starts(scope, neighbours),
        *check_started(written, neighbours),
        *check_unread(scope),
        *check_unattended(written, neighbours),
    ]
    return sorted(dict.fromkeys(findings), key=lambda finding: _order(written.document, finding.loc))


def _order(document: Json, loc: Loc) -> tuple[int, ...]:
    """The place of ``loc`` in the definition's own order."""
    places = []
    for part in loc:
        if isinstance(part, int):
            places.append(part)
        else:
            keys = list(document) if isinstance(document, Mapping) else []
            places.append(keys.index(part) if part in keys else len(keys))
        document = value_at(document, (part,))
    return tuple(places)
