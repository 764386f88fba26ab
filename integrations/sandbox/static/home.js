// The bot's home tab. What is typed and ticked stays while the bot publishes it anew.
import { act } from "./api.js";
import { blockNodes } from "./blocks.js";
import { el, icon } from "./dom.js";
import { zone } from "./text.js";

export class Home {
  #content = "";
  #view = null;
  #fields = new Map();

  constructor(person, { names }) {
    this.person = person;
    this.names = names;
    this.node = el("div", { class: "home", tabindex: "0" });
    act("home", { person });
  }

  update(view) {
    const content = JSON.stringify([zone(), view]);
    if (content === this.#content) return;
    const typed = this.#view?.id === view?.id ? this.#typed() : {};
    const focused = this.#focused();
    this.#content = content;
    this.#view = view;
    this.#draw(typed);
    this.#focusAgain(focused);
  }

  #typed() {
    return Object.fromEntries([...this.#fields].map(([id, field]) => [id, field.read()]));
  }

  #draw(typed) {
    const { person, names } = this;
    const view = this.#view;
    if (!view) {
      this.node.replaceChildren(el("div", { class: "empty" }, icon("home"), el("p", {}, "The bot has not published anything here yet.")));
      return;
    }
    const use = (name) => (block, element, value) =>
      act(name, { person, view: view.id, block_id: block.block_id, action_id: element.action_id, value: value ?? null, values: this.#typed() });
    const suggest = (block, element, query) => act("suggest", { person, view: view.id, action_id: element.action_id, query });
    const place = { names, values: view.values, typed, fields: new Map(), click: use("click"), select: use("select"), suggest };
    const top = this.node.scrollTop;
    this.node.replaceChildren(...blockNodes(view.blocks, place));
    this.node.scrollTop = top;
    this.#fields = place.fields;
  }

  /** Where the focus is: which block, which element, and the how-manieth of its boxes. */
  #focused() {
    const active = document.activeElement;
    if (!this.node.contains(active) || active === this.node) return null;
    const block = active.closest("[data-block]");
    const all = block ? [...block.querySelectorAll("button, input, select, textarea, summary")] : [];
    return { block: block?.dataset.block, action: active.dataset.action, index: all.indexOf(active) };
  }

  #focusAgain(was) {
    if (!was || this.node.contains(document.activeElement)) return;
    const block = [...this.node.querySelectorAll("[data-block]")].find((each) => each.dataset.block === was.block);
    const all = block ? [...block.querySelectorAll("button, input, select, textarea, summary")] : [];
    (all.find((each) => was.action && each.dataset.action === was.action) ?? all[was.index] ?? this.node).focus({ preventScroll: true });
  }
}
