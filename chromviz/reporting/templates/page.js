// Wires the page together: controls, table, picture, downloads.

const $ = (id) => document.getElementById(id);

function make(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function theme() {
  return document.documentElement.dataset.theme;
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const other = name === "dark" ? "light" : "dark";
  $("theme").textContent = other === "dark" ? "Dark mode" : "Light mode";
}

function save(name, text, type) {
  const link = make("a", null, { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A field of CSV; one that a spreadsheet would take for a formula is left as text.
function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  const text = /^[=+@\t\r-]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csv = (rows) => `${rows.map((row) => row.map(field).join(",")).join("\r\n")}\r\n`;

class Page {
  constructor(data) {
    this.data = data;
    this.genes = new Genes(data);
    this.layers = data.layers.map((record, place) => new Layer(record, place, null));
    this.layers.forEach((layer) => { layer.all = this.layers; });
    this.picture = new Picture($("plot"), data);
    this.drawn = Promise.resolve();
    this.method = "";
  }

  start() {
    this.fillControls();
    this.listen();
    this.refresh();
    const asked = this.asked();
    this.choose(asked >= 0 ? asked : this.genes.shown[0] ?? 0);
  }

  // The gene that the page's address names (#gene=PAX5), or -1.
  asked() {
    const found = /^#gene=(.+)$/.exec(location.hash);
    if (!found) return -1;
    let name = found[1];
    try {
      name = decodeURIComponent(name);
    } catch (error) {
      if (!(error instanceof URIError)) throw error;  // else a name with a bare "%"
    }
    const wanted = name.toLowerCase();
    return this.genes.names.findIndex((names) => names.split("\n").includes(wanted));
  }

  fillControls() {
    const { data } = this;
    const add = (id, entries) => entries.forEach(([value, text]) =>
      $(id).append(make("option", text, { value })));
    add("model", data.models.map((model, at) => [at, model.label]));
    add("chrom", [...new Set(data.genes.chrom)].sort((a, b) =>
      a.localeCompare(b, "en", { numeric: true })).map((name) => [name, name]));
    add("warning", data.warnings.map(({ text }, bit) => [bit, text]));
    add("cell", data.cells.map((name, at) => [at, name]));
    $("cell").parentElement.hidden = data.cells.length < 2;
    this.fillMethods();
  }

  // The layers of the chosen model that can be shown, and its β.
  get own() {
    const name = (this.data.models[this.genes.model] || {}).name;
    return this.layers.filter((layer) => layer.model === name && layer.model !== "");
  }

  get weight() {
    return this.own.find((layer) => layer.method === this.method) || null;
  }

  get beta() {
    return this.own.find((layer) => layer.method === "beta") || null;
  }

  fillMethods() {
    const before = this.method;
    const own = this.own.filter((layer) => layer.kind === "weight");
    const rest = this.own.filter((layer) => layer.kind !== "weight");
    $("method").replaceChildren(...[...own, ...rest].map((layer) =>
      make("option", layer.name, { value: layer.method })));
    const kept = this.own.find((layer) => layer.method === before);
    this.method = (kept || own[0] || rest[0] || { method: "" }).method;
    $("method").value = this.method;
  }

  wants() {
    const value = (id) => $(id).value;
    return {
      text: value("search"), predicted: value("predicted"), state: value("state"),
      chrom: value("chrom"), warning: value("warning"), cell: value("cell"),
    };
  }

  refresh() {
    this.genes.select(this.wants());
    this.fillTable();
  }

  fillTable() {
    const { genes, data } = this;
    const several = data.cells.length > 1;
    const body = document.createDocumentFragment();
    for (const row of genes.onPage()) {
      const p = genes.probability(row);
      const line = make("tr", null, { tabindex: "-1", "data-row": row });
      line.append(make("td", genes.name(row), { title: genes.columns.id[row] }));
      if (several) line.append(make("td", data.cells[genes.columns.cell[row]]));
      line.append(make("td", genes.columns.chrom[row]));
      line.append(make("td", genes.state(row)));
      line.append(make("td", p === null ? "\u2013" : p.toFixed(3), { class: "number" }));
      const expression = genes.columns.expression[row];
      line.append(make("td", expression === null ? "\u2013" : show(expression), { class: "number" }));
      line.append(make("td", genes.warnings(row).length || "", { class: "number" }));
      body.append(line);
    }
    $("rows").replaceChildren(body);
    const total = genes.count.toLocaleString("en-US");
    const what = several ? "genes by cell type" : "genes";
    $("count").textContent = `${genes.shown.length.toLocaleString("en-US")} of ${total} ${what}`;
    $("page").textContent = `page ${genes.page + 1} of ${genes.pages}`;
    $("earlier").disabled = genes.page === 0;
    $("later").disabled = genes.page >= genes.pages - 1;
    document.querySelectorAll("#genes th").forEach((head) => {
      const mine = head.dataset.key === genes.sorting.key;
      head.setAttribute("aria-sort", !mine ? "none" : genes.sorting.up ? "ascending" : "descending");
    });
    this.markChosen();
  }

  markChosen() {
    const lines = [...$("rows").children];
    let reached = false;
    for (const line of lines) {
      const mine = Number(line.dataset.row) === this.genes.chosen;
      line.setAttribute("aria-selected", mine ? "true" : "false");
      line.tabIndex = mine ? 0 : -1;
      reached = reached || mine;
    }
    if (!reached && lines.length) lines[0].tabIndex = 0;
  }

  choose(row) {
    this.genes.chosen = row;
    this.markChosen();
    this.describe();
    this.draw();
  }

  describe() {
    const { genes, data } = this;
    const row = genes.chosen;
    const { columns } = genes;
    const symbol = columns.symbol[row];
    const id = columns.id[row];
    const cell = data.cells.length > 1 ? `, ${data.cells[columns.cell[row]]}` : "";
    $("gene-name").textContent = (symbol && symbol !== id ? `${symbol} (${id})` : id) + cell;
    const facts = [["place", `${columns.chrom[row]}:${(columns.tss[row] + 1).toLocaleString("en-US")} (${columns.strand[row]}), ${data.assembly}`]];
    facts.push(["labelled", genes.state(row)]);
    const threshold = data.thresholds[columns.cell[row]];
    const expression = columns.expression[row];
    const against = threshold === null ? "" : ` (threshold ${show(threshold)})`;
    facts.push(["expression", expression === null ? "not known" : show(expression) + against]);
    for (const model of data.models) {
      const p = model.probability[row];
      facts.push([`p(ON), ${model.label}`, p === null ? "\u2013" : p.toFixed(4)]);
    }
    const splits = ["training gene", "validation gene", "test gene", "in no split"];
    facts.push(["split", splits[columns.split[row]]]);
    const near = columns.near[row];
    if (near.length) {
      const sign = (at) => `${at < 0 ? "\u2212" : "+"}${Math.abs(at).toLocaleString("en-US")} bp`;
      facts.push(["TSSs in the window", near.map(([name, at]) => `${name} at ${sign(at)}`).join(", ")]);
    }
    const delta = this.weight && this.weight.delta ? this.weight.delta[row] : null;
    if (delta !== null && delta !== undefined) facts.push(["completeness error", `${show(delta)} logits`]);
    $("facts").replaceChildren(...facts.map(([name, value]) => {
      const box = make("div");
      box.append(make("dt", name), make("dd", value));
      return box;
    }));
    const texts = genes.warnings(row).map(({ text }) => text);
    if (columns.reason[row]) texts.unshift(`models do not use this gene: ${columns.reason[row]}`);
    $("warnings").replaceChildren(...texts.map((text) => make("li", text)));
    $("links").replaceChildren(...this.links(row));
  }

  links(row) {
    const { data } = this;
    const { columns } = this.genes;
    if (!data.ucsc) return [];
    const reach = -data.binStart;
    const place = `${columns.chrom[row]}:${Math.max(1, columns.tss[row] + 1 - reach)}-${columns.tss[row] + reach}`;
    const found = [[
      "UCSC", `https://genome.ucsc.edu/cgi-bin/hgTracks?db=${data.ucsc}&position=${encodeURIComponent(place)}`,
    ]];
    const id = columns.id[row].split(".")[0];
    if (/^ENSG\d+$/.test(id)) {
      found.push(["Ensembl", `${data.ensembl}/Homo_sapiens/Gene/Summary?g=${id}`]);
    } else {
      found.push(["Ensembl", `${data.ensembl}/Homo_sapiens/Location/View?r=${encodeURIComponent(place.replace(/^chr/, ""))}`]);
    }
    return found.map(([text, href]) =>
      make("a", `${text} \u2197`, { href, target: "_blank", rel: "noopener noreferrer" }));
  }

  draw() {
    const wanted = [this.layers[0], this.layers[1], this.weight, this.beta].filter(Boolean);
    this.drawn = Promise.all([plotly(), ...wanted.map((layer) => layer.open())])
      .then(() => this.picture.draw(
        this.genes.chosen, this.layers[0], this.layers[1], this.weight, this.beta, theme()
      ))
      .then(() => {
        this.hover();
        this.read();
      })
      .catch((error) => { $("readout").textContent = `The picture cannot be drawn: ${error.message}.`; throw error; });
    return this.drawn;
  }

  hover() {
    const node = $("plot");
    if (node.listening) return;
    node.listening = true;
    node.on("plotly_hover", (event) => {
      const [point] = event.points;
      const { panel, line } = point.data.meta;
      if (panel === "bars") return;
      const bin = Array.isArray(point.pointNumber) ? point.pointNumber[1] : point.pointNumber;
      const at = Array.isArray(point.pointNumber) ? point.pointNumber[0] : line;
      this.mark({ panel, line: at, bin });
    });
  }

  mark(change) {
    this.picture.move(change, theme());
    this.read();
  }

  read() {
    const one = this.picture.explain();
    const parts = [`${one.distance}; ${one.place} (1-based).`];
    if (one.mark) parts.push(`${one.mark}:`);
    const values = [];
    if (one.signal) values.push(["signal", one.signal]);
    if (one.weight) values.push([`${this.weight.name} weight`, one.weight]);
    for (const track of one.coverage) values.push([`${track.name} coverage`, track]);
    const holder = $("readout");
    holder.replaceChildren(parts.join(" "), " ");
    values.forEach(([name, { text, number }], at) => {
      const shown = make("b", text, { "data-what": name, "data-value": Number.isNaN(number) ? "" : number });
      holder.append(`${at ? ", " : ""}${name} `, shown);
    });
    holder.append(".");
  }

  geneRows() {
    const { genes, data, picture } = this;
    const row = genes.chosen;
    const { columns } = genes;
    const header = ["gene", "symbol", "cell", "chrom", "start", "end", "bin_start", "kind", "name",
      "model", "method", "value", "within", "simulated"];
    const own = [columns.id[row], columns.symbol[row], data.cells[columns.cell[row]]];
    const rows = [header];
    const shown = [this.layers[0], this.layers[1], this.weight, this.beta].filter(Boolean);
    for (const layer of new Set(shown)) {
      const lines = layer.read(row);
      lines.forEach((line, at) => line.forEach((value, bin) => {
        const where = layer.kind === "marks" ? [null, null, null]
          : [...picture.place(row, bin), picture.offsets(bin)[0]];
        rows.push([...own, columns.chrom[row], ...where, layer.kind === "marks" ? "weight" : layer.kind,
          layer.names[at], layer.model, layer.method, value, layer.slack(row), data.simulated ? 1 : 0]);
      }));
    }
    return rows;
  }

  tableRows() {
    const { genes, data } = this;
    const { columns } = genes;
    const header = ["gene", "symbol", "cell", "chrom", "tss", "strand", "label", "expression", "split",
      ...data.models.map((model) => `probability ${model.name}`), "warnings", "simulated"];
    return [header, ...genes.shown.map((row) => [
      columns.id[row], columns.symbol[row], data.cells[columns.cell[row]], columns.chrom[row],
      columns.tss[row], columns.strand[row], genes.state(row), columns.expression[row],
      ["train", "valid", "test", "none"][columns.split[row]],
      ...data.models.map((model) => model.probability[row]),
      genes.warnings(row).map(({ code }) => code).join(" "), data.simulated ? 1 : 0,
    ])];
  }

  fileName(end) {
    const name = this.genes.name(this.genes.chosen).replace(/[^A-Za-z0-9_.-]+/g, "-");
    return `${name}.${this.method || "signal"}.${end}`;
  }

  image(format) {
    const { width, height } = $("plot").getBoundingClientRect();
    const size = { format, width: Math.round(width), height: Math.round(height), scale: format === "png" ? 3 : 1 };
    return this.drawn.then(() => Plotly.toImage($("plot"), size)).then((address) => {
      const link = make("a", null, { download: this.fileName(format), href: address });
      document.body.append(link);
      link.click();
      link.remove();
    });
  }

  listen() {
    const again = () => {
      this.refresh();
      if (this.genes.shown.length && !this.genes.shown.includes(this.genes.chosen)) this.choose(this.genes.shown[0]);
    };
    for (const id of ["predicted", "state", "chrom", "warning", "cell"]) $(id).addEventListener("change", again);
    $("search").addEventListener("input", () => {
      this.refresh();
      if ($("search").value.trim() && this.genes.shown.length) this.choose(this.genes.shown[0]);
    });
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("filters").addEventListener("reset", () => setTimeout(() => {
      this.genes.model = 0;
      this.fillMethods();
      again();
      this.choose(this.genes.chosen);
    }));
    $("model").addEventListener("change", () => {
      this.genes.model = Number($("model").value);
      this.fillMethods();
      again();
      this.choose(this.genes.chosen);
    });
    $("method").addEventListener("change", () => {
      this.method = $("method").value;
      this.choose(this.genes.chosen);
    });
    document.querySelectorAll("#genes th button").forEach((button) => button.addEventListener("click", () => {
      const { key } = button.parentElement.dataset;
      const { sorting } = this.genes;
      this.genes.sorting = { key, up: sorting.key === key ? !sorting.up : true };
      this.refresh();
    }));
    const turn = (by) => {
      this.genes.page = Math.max(0, Math.min(this.genes.pages - 1, this.genes.page + by));
      this.fillTable();
    };
    $("earlier").addEventListener("click", () => turn(-1));
    $("later").addEventListener("click", () => turn(1));
    $("rows").addEventListener("click", (event) => {
      const line = event.target.closest("tr");
      if (line) this.choose(Number(line.dataset.row));
    });
    $("rows").addEventListener("keydown", (event) => this.walk(event, turn));
    $("plot").addEventListener("keydown", (event) => this.steer(event));
    const colours = (name) => {
      if (name === theme()) return;
      setTheme(name);
      this.draw();
    };
    $("theme").addEventListener("click", () => colours(theme() === "dark" ? "light" : "dark"));
    $("gene-csv").addEventListener("click", () => this.drawn.then(() => save(this.fileName("csv"), csv(this.geneRows()), "text/csv")));
    $("table-csv").addEventListener("click", () => save("genes.csv", csv(this.tableRows()), "text/csv"));
    $("svg").addEventListener("click", () => this.image("svg"));
    $("png").addEventListener("click", () => this.image("png"));
    window.addEventListener("hashchange", () => {
      const asked = this.asked();
      if (asked >= 0) this.choose(asked);
    });
    // Paper is light.
    let before = theme();
    window.addEventListener("beforeprint", () => {
      before = theme();
      colours("light");
    });
    window.addEventListener("afterprint", () => colours(before));
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.draw(), 200);
    });
  }

  walk(event, turn) {
    const line = event.target.closest("tr");
    if (!line) return;
    const { genes } = this;
    const here = genes.shown.indexOf(Number(line.dataset.row));
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -genes.count, End: genes.count }[event.key];
    if (by === undefined && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const next = Math.max(0, Math.min(genes.shown.length - 1, here + (by || 0)));
    const page = Math.floor(next / PAGE);
    if (page !== genes.page) turn(page - genes.page);
    this.choose(genes.shown[next]);
    const target = $("rows").querySelector(`tr[data-row="${genes.shown[next]}"]`);
    if (target) target.focus();
  }

  steer(event) {
    const { cursor, bins } = this.picture;
    const far = event.shiftKey ? 10 : 1;
    const change = {
      ArrowLeft: { bin: cursor.bin - far }, ArrowRight: { bin: cursor.bin + far },
      Home: { bin: 0 }, End: { bin: bins - 1 },
      ArrowUp: null, ArrowDown: null,
    };
    if (!(event.key in change)) return;
    event.preventDefault();
    this.mark(change[event.key] || this.picture.step(event.key === "ArrowUp"));
  }
}

// The plotting library is packed too, and unpacked once.
let library = null;
function plotly() {
  library = library || inflate($("plotly").textContent.trim(), "deflate-raw").then((bytes) => {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(bytes);
    document.head.append(script);
    $("plotly").textContent = "";
  });
  return library;
}

setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
if ($("data")) {
  const page = new Page(JSON.parse($("data").textContent));
  window.chromviz = page;
  page.start();
  page.drawn.then(() => performance.mark("chromviz-drawn"), () => {});
} else {
  $("theme").addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark"));
}
