"""The Web API's modals and home tabs: ``views.open``, ``views.push``, ``views.update``, ``views.publish``."""

from __future__ import annotations

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal, invalid_arguments
from integrations.sandbox.content import MODALS, checked_view, open_modal, push_modal
from integrations.sandbox.manifest import Manifest
from integrations.sandbox.view import View
from integrations.sandbox.web_method import Caller, Method
from integrations.sandbox.workspace import TRIGGER_LIFETIME, Trigger, Workspace


class ViewMethods:
    """``manifest`` says whether the app has a home tab at all."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def methods(self) -> dict[str, Method]:
        """Each method by its name."""
        return {
            "views.open": Method(self._open),
            "views.push": Method(self._push),
            "views.update": Method(self._update),
            "views.publish": Method(self._publish),
        }

    async def _open(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        content = _content(caller.workspace, arguments, "modal")
        trigger = _exchanged(caller.workspace, arguments)
        view = open_modal(caller.workspace, trigger.user, content)
        return {"view": view.as_json()}

    async def _push(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        content = _content(workspace, arguments, "modal")
        trigger = _exchanged(workspace, arguments)
        stack = workspace.modals.get(trigger.user, [])
        if trigger.view_id is None or all(view.id != trigger.view_id for view in stack):
            raise SlackRefusal("not_found")
        if len(stack) >= MODALS:
            raise SlackRefusal("push_limit_reached")
        return {"view": push_modal(workspace, trigger.user, content).as_json()}

    async def _update(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        view_id, external_id = arguments.text("view_id"), arguments.text("external_id")
        if not view_id and not external_id:
            raise invalid_arguments("missing required field: view_id")
        view = next(
            (
                each
                for each in workspace.all_views()
                if (view_id and each.id == view_id)
                or (not view_id and external_id and each.content.get("external_id") == external_id)
            ),
            None,
        )
        content = _content(workspace, arguments, view.type if view else None, unless=view)
        if view is None:
            raise SlackRefusal("not_found")
        _same_hash(view, arguments)
        workspace.change_view(view, content)
        return {"view": view.as_json()}

    async def _publish(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        user_id = arguments.required("user_id")
        home = workspace.homes.get(user_id)
        content = _content(workspace, arguments, "home", unless=home)
        if not self._manifest.home_tab:
            raise SlackRefusal("not_enabled")
        if user_id not in workspace.users:
            raise SlackRefusal("user_not_found")
        if home is None:
            home = workspace.homes[user_id] = workspace.new_view(user_id, content)
            workspace.changes.notify()
        else:
            _same_hash(home, arguments)
            workspace.change_view(home, content)
        return {"view": home.as_json()}


def _content(
    workspace: Workspace, arguments: Arguments, sort: str | None, *, unless: View | None = None
) -> dict[str, Json]:
    view = arguments.structure("view", "invalid_arguments")
    if view is None:
        raise invalid_arguments("missing required field: view")
    content = checked_view(workspace, view)
    if sort is not None and content["type"] != sort:
        raise invalid_arguments(f"must be a {sort} view [json-pointer:/view/type]")
    external_id = content.get("external_id")
    if external_id and any(
        view.content.get("external_id") == external_id for view in workspace.all_views() if view is not unless
    ):
        raise SlackRefusal("duplicate_external_id")
    return content


def _exchanged(workspace: Workspace, arguments: Arguments) -> Trigger:
    """The trigger, used up: it is good for one view within three seconds."""
    trigger = workspace.triggers.get(arguments.required("trigger_id"))
    if trigger is None:
        raise SlackRefusal("invalid_trigger_id")
    if trigger.used:
        raise SlackRefusal("exchanged_trigger_id")
    if workspace.clock.now() - trigger.issued_at > TRIGGER_LIFETIME:
        raise SlackRefusal("expired_trigger_id")
    trigger.used = True
    return trigger


def _same_hash(view: View, arguments: Arguments) -> None:
    known = arguments.text("hash")
    if known and known != view.hash:
        raise SlackRefusal("hash_conflict")
