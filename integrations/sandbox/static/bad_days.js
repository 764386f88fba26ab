// What can go wrong, to be tried by hand: channels, people, groups, and Slack itself.
import { act, ask } from "./api.js";
import { el, icon, newId } from "./dom.js";

export class BadDays {
  #dialog = null;
  #content = "";
  #faults = null;
  #body = null;

  /** Open it; `show` keeps it up to date from then on. */
  async open(screen) {
    this.#faults ??= (await ask("/_sandbox/api/faults")).faults;
    if (this.#dialog) return;
    const id = newId("bad-days");
    this.#content = "";
    this.#body = el("div", { class: "content" });
    const close = () => dialog.close();
    const dialog = el("dialog", { class: "modal wide", "aria-labelledby": id },
      el("header", {}, el("h2", { id }, "Bad days"), el("button", { type: "button", class: "bare", "aria-label": "Close", onclick: close }, icon("close"))),
      this.#body,
      el("div", { class: "toasts", role: "status" }));
    dialog.addEventListener("close", () => {
      dialog.remove();
      this.#dialog = null;
    });
    this.#dialog = dialog;
    document.body.append(dialog);
    dialog.showModal();
    this.show(screen);
  }

  show(screen) {
    if (!this.#dialog) return;
    const content = JSON.stringify([screen.me, screen.workspace, screen.installed, screen.overview, screen.bot]);
    if (content === this.#content) return;
    this.#content = content;
    const focused = document.activeElement?.dataset?.key;
    const { channels, people, groups, faults, limits } = screen.overview;
    const person = screen.me;
    const button = (key, text, name, body, look = "") =>
      el("button", { type: "button", class: `button ${look}`, "data-key": key, onclick: () => act(name, { person, ...body }) }, text);
    this.#body.replaceChildren(
      part("Channels", channels.map((each) => row(`#${each.name}`, [
        each.archived
          ? button(`archive ${each.id}`, "Unarchive", "channel", { channel: each.id, act: "unarchive" })
          : button(`archive ${each.id}`, "Archive", "channel", { channel: each.id, act: "archive" }),
        each.bot
          ? button(`bot ${each.id}`, "Remove the bot", "channel", { channel: each.id, act: "kick" })
          : button(`bot ${each.id}`, "Invite the bot", "channel", { channel: each.id, act: "invite" }),
      ]))),
      part("People", people.map((each) => row(each.name, each.sort === "external" ? [el("span", { class: "hint" }, "of another workspace")] : [
        sorts(person, each),
        each.deleted
          ? button(`gone ${each.id}`, "Reactivate", "somebody", { whom: each.key, deactivated: false })
          : button(`gone ${each.id}`, "Deactivate", "somebody", { whom: each.key, deactivated: true }),
      ]))),
      part("User groups", groups.map((group) => row(`@${group.handle}`, [members(person, group, people),
        button(`disable ${group.handle}`, group.disabled ? "Enable" : "Disable", "group", { handle: group.handle, users: group.users, disabled: !group.disabled })]))),
      part("Slack itself", [
        el("div", { class: "choices" },
          Object.entries(this.#faults).map(([name, sentence]) => button(`fault ${name}`, sentence, "slack", { act: name })),
          button("limits", limits ? "Forget Slack's rate limits" : "Keep to Slack's rate limits", "slack", { act: "limits" }),
          screen.installed && button("uninstall", `Take the app out of ${screen.workspace}`, "slack", { act: "uninstall" }, "danger"),
          button("well", "Everything is well again", "slack", { act: "well" }, "primary")),
        el("p", { class: "hint" }, faults.length ? `Arranged: ${faults.join("; ")}.` : limits ? "Rate limits are kept." : "Nothing is arranged to go wrong."),
      ]),
    );
    if (focused) [...this.#body.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
  }
}

const part = (name, rows) => el("section", { class: "part" }, el("h3", {}, name), rows);
const row = (name, controls) => el("div", { class: "row" }, el("span", { class: "what" }, name), controls);

function sorts(person, each) {
  const menu = el("select", { class: "field short", "data-key": `sort ${each.id}`, "aria-label": `What ${each.name} is` },
    [...new Set(["member", "guest", "single-channel guest", each.sort])].map((sort) => el("option", { value: sort }, sort)));
  menu.value = each.sort;
  menu.disabled = each.deleted;
  menu.addEventListener("change", () => act("somebody", { person, whom: each.key, sort: menu.value }));
  return menu;
}

/** Everybody with a tick; each change is told to the bot. */
function members(person, group, people) {
  const boxes = people.map((each) => {
    const box = el("input", { type: "checkbox", value: each.id, "data-key": `${group.handle} ${each.id}` });
    box.checked = group.users.includes(each.id);
    box.addEventListener("change", () => {
      const users = boxes.filter((one) => one.checked).map((one) => one.value);
      act("group", { person, handle: group.handle, users, disabled: group.disabled });
    });
    return box;
  });
  return el("div", { class: "members", role: "group", "aria-label": `Members of @${group.handle}` },
    people.map((each, index) => el("label", { class: "tick" }, boxes[index], each.name.split(" ")[0])));
}
