// Optional: a review of the findings. It ends in a plan, which is downloaded, or saved by
// `headstart audit --review` after every decision.
(() => {
  const meta = (name) => document.querySelector(`meta[name="headstart-${name}"]`)?.content ?? "";
  const items = [...document.querySelectorAll(".item[data-index]")];
  if (!items.length) return;
  const classes = JSON.parse(meta("classes"));
  const live = meta("review") ? JSON.parse(meta("review")) : null;
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const store = `headstart-plan-${meta("plan")}`;
  const decisions = new Map();
  const saved = new Map();
  const order = [...new Set(items.map((item) => item.dataset.index))];
  const cardOf = new Map(items.map((item) => [item.dataset.index, item]).reverse());

  const bar = document.createElement("div");
  bar.className = "review";
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Review");
  const meter = document.createElement("progress");
  meter.max = order.length;
  meter.setAttribute("aria-label", "Images decided");
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  const finish = button(live ? "Done" : "Download plan.csv", () => (live ? end() : download()));
  const keys = document.createElement("span");
  keys.className = "keys";
  for (const [key, what] of [["Enter", "as proposed (→)"], ["C", "choose a class"], ["D", "drop"],
    ["K", "keep"], ["← →", "move"], ["U", "undo"]]) {
    const mark = document.createElement("kbd");
    mark.textContent = key;
    keys.append(mark, ` ${what}  `);
  }
  const problem = document.createElement("p");
  problem.className = "problem";
  problem.setAttribute("role", "alert");
  bar.append(meter, count, finish, keys, problem);
  document.querySelector("main").prepend(bar);

  const send = (address, content) => fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Headstart-Token": token },
    body: JSON.stringify(content),
  }).then(async (answer) => {
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? answer.statusText);
    return answer.json();
  });
  /* One request at a time, because an undo that overtakes its decision would be lost. */
  let lastSent = Promise.resolve();
  const sendInOrder = (address, content) => {
    const answer = lastSent.then(() => send(address, content));
    lastSent = answer.catch(() => {});
    return answer;
  };

  const show = (index) => {
    const decision = decisions.get(index);
    for (const item of items.filter((other) => other.dataset.index === index)) {
      if (decision) item.dataset.decided = decision.action;
      else delete item.dataset.decided;
      item.querySelectorAll(".decide button").forEach((made) => {
        const same = decision && made.dataset.action === decision.action
          && (made.dataset.action !== "relabel" || made.dataset.label === decision.new_label);
        made.setAttribute("aria-pressed", same ? "true" : "false");
      });
      const other = item.querySelector(".decide select");
      const isOther = decision?.action === "relabel" && decision.new_label !== item.dataset.suggested;
      if (other) other.value = isOther ? decision.new_label : "";
    }
    meter.value = decisions.size;
    const number = (action) => [...decisions.values()].filter((made) => made.action === action).length;
    count.textContent = `${decisions.size} of ${order.length} decided: `
      + `${number("relabel")} relabelled, ${number("drop")} dropped, ${number("keep")} kept`;
  };

  const put = (map, index, decision) => (decision ? map.set(index, decision) : map.delete(index));
  const decide = (index, decision) => {
    put(decisions, index, decision);
    show(index);
    problem.textContent = "";
    if (!live) {
      try { localStorage.setItem(store, JSON.stringify([...decisions])); } catch { /* not permitted */ }
      return;
    }
    sendInOrder("decide", { index: Number(index), ...(decision ?? { action: "undo" }) })
      .then(() => put(saved, index, decision))
      .catch((error) => {
        /* A later decision about the image has its own answer. */
        if (decisions.get(index) === (decision ?? undefined)) put(decisions, index, saved.get(index));
        show(index);
        problem.textContent = `The last decision was not saved: ${error.message.replace(/\.$/, "")}. Is the command still running?`;
      });
  };

  const focus = (item) => {
    items.forEach((other) => { other.tabIndex = other === item ? 0 : -1; });
    item.focus();
  };
  const next = (item) => {
    const following = [...items.slice(items.indexOf(item) + 1), ...items];
    const open = following.find((other) => !decisions.has(other.dataset.index));
    if (open) focus(open);
  };
  const propose = (item) => {
    const { action, suggested } = item.dataset;
    return action ? { action, new_label: action === "relabel" ? suggested : "" } : null;
  };

  items.forEach((item, place) => {
    const { index, suggested, action } = item.dataset;
    item.tabIndex = place === 0 ? 0 : -1;
    if (item.tagName !== "LI") item.setAttribute("role", "group");
    item.setAttribute("aria-label", `${item.dataset.image}, labelled ${item.dataset.label}`);
    const box = document.createElement("div");
    box.className = "decide";
    const add = (text, made) => {
      const control = button(text, () => decide(index, made));
      control.dataset.action = made.action;
      control.dataset.label = made.new_label;
      control.setAttribute("aria-pressed", "false");
      box.append(control);
    };
    if (action === "relabel") add(`→ ${item.dataset.short}`, { action, new_label: suggested });
    add("Keep", { action: "keep", new_label: "" });
    add(action === "drop" ? "→ Drop" : "Drop", { action: "drop", new_label: "" });
    const other = document.createElement("select");
    other.setAttribute("aria-label", `Another class for ${item.dataset.image}`);
    other.append(new Option("Other…", ""));
    /* The classes are added at the first use: 100 cards with 1,000 classes would be 100,000. */
    const fill = () => {
      if (other.options.length > 1) return;
      classes.filter((name) => name !== item.dataset.label).forEach((name) => other.append(new Option(name, name)));
    };
    other.addEventListener("focus", fill);
    other.addEventListener("pointerdown", fill);
    other.addEventListener("change", () => {
      if (other.value) decide(index, { action: "relabel", new_label: other.value });
    });
    other.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      focus(item);
      if (event.key === "Enter" && other.value) next(item);
    });
    box.append(other);
    item.querySelector("div").append(box);
    item.addEventListener("keydown", (event) => {
      if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.toLowerCase();
      const step = { arrowright: 1, arrowleft: -1, backspace: -1 }[key];
      if (step) {
        const neighbour = items[items.indexOf(item) + step];
        if (neighbour) focus(neighbour);
      } else if ((key === "enter" || key === " ") && event.target === item) {
        if (propose(item)) { decide(index, propose(item)); next(item); }
      } else if (key === "d" || key === "k") {
        decide(index, { action: key === "d" ? "drop" : "keep", new_label: "" });
        next(item);
      } else if (key === "c") {
        other.focus();
      } else if (key === "u") {
        decide(index, null);
      } else {
        return;
      }
      event.preventDefault();
    });
  });

  const planText = () => {
    const cell = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const lines = [["image", "action", "label", "new_label", "reason", "probability"]];
    for (const index of order.filter((place) => decisions.has(place))) {
      const { action, new_label: newLabel } = decisions.get(index);
      const { image, label, suggested, reason, probability } = cardOf.get(index).dataset;
      const agrees = action === "relabel" && newLabel === suggested;
      lines.push([image, action, label, newLabel, reason ? `reviewed: ${reason}` : "reviewed", agrees ? probability : ""]);
    }
    return `${lines.map((line) => line.map(cell).join(",")).join("\n")}\n`;
  };
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([planText()], { type: "text/csv" }));
    link.download = "plan.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const end = () => sendInOrder("done", {}).then(() => {
    bar.replaceChildren(Object.assign(document.createElement("span"), {
      textContent: "The plan is saved and the review has ended. This page can be closed.",
    }));
  }).catch((error) => { problem.textContent = error.message; });

  let known = [];
  try { known = live ? live.decisions : JSON.parse(localStorage.getItem(store) ?? "[]"); } catch { /* not permitted */ }
  known.forEach(([index, decision]) => { if (cardOf.has(String(index))) decisions.set(String(index), decision); });
  decisions.forEach((decision, index) => saved.set(index, decision));
  order.forEach(show);
  if (live) focus(items.find((item) => !decisions.has(item.dataset.index)) ?? items[0]);
})();
