// Building the page: elements are made and filled as text, never parsed from it.

/** An element. Properties beginning with "on" are listeners; false, null and undefined leave an attribute out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the drawings in the page's first element. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** The coloured square with somebody's initial. */
export function avatar(name, { bot = false, small = false } = {}) {
  if (bot) {
    return el("img", { class: small ? "avatar small" : "avatar", src: "/_sandbox/static/icon.svg", alt: "" });
  }
  const tint = (name.codePointAt(0) ?? 0) % 6;
  const size = small ? " small" : "";
  return el("span", { class: `avatar tint-${tint}${size}`, "aria-hidden": "true" }, (name[0] ?? "?").toUpperCase());
}

/** Make a list of nodes stand in `parent`, moving none that stands there already. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, index) => {
    if (parent.childNodes[index] !== node) parent.insertBefore(node, parent.childNodes[index] ?? null);
  });
}

/** Draw a list anew, and leave the focus where it was: on whatever has the same `data-<key>`. */
export function redrawn(parent, nodes, key) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset[key] : undefined;
  parent.replaceChildren(...nodes);
  if (focused !== undefined) [...parent.querySelectorAll(`[data-${key}]`)].find((each) => each.dataset[key] === focused)?.focus();
}

let number = 0;

/** An id that no other element has. */
export function newId(prefix) {
  number += 1;
  return `${prefix}-${number}`;
}

/** A dialog that is open until it closes itself; it is taken away then. */
export function showDialog(dialog) {
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** A short word at the edge of the page, red for trouble. */
export function toast(sentence, { trouble = false, link = null } = {}) {
  const close = () => note.remove();
  const note = el(
    "div",
    { class: trouble ? "toast trouble" : "toast" },
    el("p", {}, sentence, link && " ", link && el("a", { href: link.url, target: "_blank", rel: "noopener" }, link.text)),
    el("button", { type: "button", class: "bare", "aria-label": "Dismiss", onclick: close }, icon("close")),
  );
  // A dialog covers the page, so what it is about has to be said inside of it.
  const dialogs = [...document.querySelectorAll("dialog[open]")];
  (dialogs.at(-1)?.querySelector(".toasts") ?? document.getElementById("toasts")).append(note);
  setTimeout(close, trouble ? 12000 : 7000);
}
