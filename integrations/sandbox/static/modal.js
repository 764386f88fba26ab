// The bot's modals. The one on top is shown; what is typed stays when the bot changes it.
import { act } from "./api.js";
import { blockNodes, busy } from "./blocks.js";
import { el, icon } from "./dom.js";

export class Modal {
  #dialog = null;
  #content = "";
  #view = null;
  #fields = new Map();
  #errors = {};
  #leaving = null; // the view that was asked to close

  /** Show what is on top of the person's modals, or nothing. */
  show(view, person, names) {
    if (!view) {
      this.#forget();
      return;
    }
    const content = JSON.stringify([person, view]);
    if (content === this.#content) return;
    const same = this.#view?.id === view.id;
    const typed = same ? this.#typed() : {};
    if (!same) this.#forget();
    this.#content = content;
    this.#view = view;
    this.#errors = view.errors;
    this.#draw(person, names, typed);
  }

  #typed() {
    return Object.fromEntries([...this.#fields].map(([id, field]) => [id, field.read()]));
  }

  #forget() {
    this.#content = "";
    this.#view = null;
    this.#fields = new Map();
    const dialog = this.#dialog;
    this.#dialog = null;
    dialog?.close();
    dialog?.remove();
  }

  /** It closes when the sandbox says that it is closed. */
  async #leave(person, everything) {
    const view = this.#view?.id;
    if (!view || this.#leaving === view) return;
    this.#leaving = view;
    await act("close", { person, view, everything });
    this.#leaving = null;
  }

  #draw(person, names, typed) {
    const view = this.#view;
    const use = (name) => (block, element, value) =>
      act(name, { person, view: view.id, block_id: block.block_id, action_id: element.action_id, value: value ?? null, values: this.#typed() });
    const suggest = (block, element, query) => act("suggest", { person, view: view.id, action_id: element.action_id, query });
    const place = { names, values: view.values, errors: this.#errors, typed, fields: new Map(), click: use("click"), select: use("select"), suggest };
    const close = (everything) => () => this.#leave(person, everything);
    const submit = view.submit && el("button", { type: "submit", class: "button primary" }, view.submit.text);
    const form = el(
      "form",
      { novalidate: true },
      el("header", {},
        el("h2", { id: "modal-title" }, view.title),
        el("button", { type: "button", class: "bare", "aria-label": "Close", onclick: close(true) }, icon("close"))),
      el("div", { class: "content" }, blockNodes(view.blocks, place)),
      el("footer", {},
        el("button", { type: "button", class: "button", onclick: close(false) }, view.close?.text ?? (view.depth > 1 ? "Back" : "Cancel")),
        submit),
      el("div", { class: "toasts", role: "status" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (submit) busy(submit, () => this.#submit(person, names));
    });
    const wrong = Object.keys(this.#errors).find((id) => place.fields.has(id));
    const before = this.#dialog?.contains(document.activeElement) && document.activeElement.closest("[data-block]")?.dataset.block;
    const fresh = !before && !wrong;
    this.#fields = place.fields;
    if (this.#dialog) this.#dialog.replaceChildren(form);
    else this.#open(person, form);
    const first = [wrong, before, ...place.fields.keys()].find((id) => place.fields.has(id));
    if (first) place.fields.get(first).focus();
    else form.querySelector("footer button:last-of-type").focus();
    // What is new is read from its beginning, wherever its first input is.
    if (fresh) form.querySelector(".content").scrollTop = 0;
  }

  #open(person, form) {
    const dialog = el("dialog", { class: "modal", "aria-labelledby": "modal-title" }, form);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#leave(person, true);
    });
    // Browsers let nobody be locked in: a second Escape closes it whatever the page says.
    dialog.addEventListener("close", () => {
      if (this.#dialog === dialog) this.#leave(person, true);
    });
    this.#dialog = dialog;
    document.body.append(dialog);
    dialog.showModal();
  }

  async #submit(person, names) {
    const view = this.#view;
    const typed = this.#typed();
    const answer = await act("submit", { person, view: view.id, values: typed });
    if (answer.errors && this.#view === view) {
      this.#errors = answer.errors;
      this.#draw(person, names, typed);
    }
  }
}
