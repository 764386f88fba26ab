// Messages below each other. What has not changed keeps its node, and who has the focus keeps it. `newer` is what says to
// whoever has scrolled up that something has come in below.
import { arrange, el } from "./dom.js";
import { messageNode } from "./message.js";
import { day, zone } from "./text.js";

const NEAR = 120; // pixels from the bottom at which one still follows what comes in

export class MessageList {
  #shown = new Map();
  #target = null;
  #around = "";
  #round = 0;

  constructor(label, { inThread = false } = {}) {
    this.inThread = inThread;
    this.node = el("div", { class: "log", role: "log", "aria-label": label, tabindex: "0" });
    this.newer = el("button", { type: "button", class: "newer", hidden: true, onclick: () => this.#toEnd() }, "New below ↓");
    this.node.addEventListener("scroll", () => {
      if (this.#follows()) this.newer.hidden = true;
    });
  }

  /** Bring the messages up to date; `first` stands above them, `at` is the one to point at, `open` shows a thread. */
  update(screen, messages, { person, names, first = null, at = null, open = null }) {
    const { node } = this;
    const follows = this.#follows();
    const me = screen.people.find((each) => each.key === screen.me)?.id;
    const mine = messages.at(-1)?.user === me;
    const before = this.#shown;
    const fresh = before.size === 0;
    const grown = messages.some((message) => !before.has(message.ts));
    const about = { person, names, me, users: screen.users, shortcuts: screen.app.shortcuts, inThread: this.inThread, open };
    // What a message looks like depends on who is who and on the reader's time zone as well.
    const around = JSON.stringify([zone(), screen.users, screen.channels, screen.groups, screen.app.shortcuts]);
    if (around !== this.#around) this.#round += 1;
    this.#around = around;
    this.#shown = new Map();
    const nodes = first ? [first] : [];
    let date = "";
    for (const message of messages) {
      const posted = new Date(Number(message.ts) * 1000);
      if (!this.inThread && day(posted) !== date) {
        date = day(posted);
        nodes.push(this.#keep(before, `day ${date}`, date, () => el("p", { class: "day" }, el("span", {}, date))));
      }
      nodes.push(this.#keep(before, message.ts, `${this.#round} ${JSON.stringify(message)}`, () => messageNode(message, about)));
    }
    const focused = this.#focused();
    arrange(node, nodes);
    this.#focusAgain(focused);
    if (at && at !== this.#target) this.#pointAt(at);
    else if (fresh || follows || (grown && mine)) this.#toEnd();
    else if (grown) this.newer.hidden = false;
  }

  #follows() {
    return this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight < NEAR;
  }

  #toEnd() {
    this.node.scrollTop = this.node.scrollHeight;
    this.newer.hidden = true;
  }

  #keep(before, key, content, draw) {
    const old = before.get(key);
    const entry = old?.content === content ? old : { content, node: draw() };
    this.#shown.set(key, entry);
    return entry.node;
  }

  #focused() {
    const active = document.activeElement;
    const message = this.node.contains(active) ? active.closest(".message") : null;
    return message && { ts: message.dataset.ts, action: active.dataset.action };
  }

  /** A card that was drawn anew under somebody's fingers keeps the focus, on the same button if it is still there. */
  #focusAgain(was) {
    const message = was && this.#shown.get(was.ts)?.node;
    if (!message || message.contains(document.activeElement)) return;
    const button = [...message.querySelectorAll("[data-action]")].find((each) => each.dataset.action === was.action);
    (button ?? message).focus({ preventScroll: true });
  }

  #pointAt(ts) {
    const node = this.#shown.get(ts)?.node;
    if (!node) return;
    this.#target = ts;
    node.classList.add("target");
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
  }
}
