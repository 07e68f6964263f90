// The table of genes: which are shown, in what order, and which is chosen.

const PAGE = 100;

class Genes {
  constructor(data) {
    this.data = data;
    this.columns = data.genes;
    this.count = data.genes.id.length;
    this.shown = [];
    this.page = 0;
    this.chosen = 0;
    this.sorting = { key: "", up: true };
    this.model = 0;
    this.names = this.columns.id.map((id, row) =>
      `${id}\n${this.columns.symbol[row]}`.toLowerCase()
    );
  }

  name(row) {
    return this.columns.symbol[row] || this.columns.id[row];
  }

  probability(row) {
    const model = this.data.models[this.model];
    return model ? model.probability[row] : null;
  }

  bits(row) {
    const model = this.data.models[this.model];
    return model ? model.bits[row] : 0;
  }

  warnings(row) {
    return this.data.warnings.filter((_, bit) => this.bits(row) & (1 << bit));
  }

  state(row) {
    return { 1: "ON", 0: "OFF" }[this.columns.label[row]] || "unknown";
  }

  predicted(row) {
    const p = this.probability(row);
    return p === null ? "none" : p > 0.5 ? "ON" : "OFF";
  }

  value(row, key) {
    if (key === "gene") return this.name(row).toLowerCase();
    if (key === "p") return this.probability(row);
    if (key === "warnings") return this.warnings(row).length;
    return this.columns[key][row];
  }

  // A place such as chr9:37,034,476 or chr9:37,030,000-37,040,000, 1-based, or null.
  static locus(text) {
    const found = /^\s*(?:chr)?(\w+)\s*:\s*([\d,]+)(?:\s*(?:-|\.\.)\s*([\d,]+))?\s*$/i.exec(text);
    if (!found) return null;
    const first = Number(found[2].replaceAll(",", ""));
    const last = found[3] ? Number(found[3].replaceAll(",", "")) : first;
    return { chrom: found[1].toLowerCase(), first, last };
  }

  matches(row, want) {
    const { columns } = this;
    if (want.cell !== "" && columns.cell[row] !== Number(want.cell)) return false;
    if (want.predicted && this.predicted(row) !== want.predicted) return false;
    if (want.state && this.state(row) !== want.state) return false;
    if (want.chrom && columns.chrom[row] !== want.chrom) return false;
    if (want.warning === "none" && this.bits(row)) return false;
    if (want.warning === "any" && !this.bits(row)) return false;
    if (/^\d+$/.test(want.warning) && !(this.bits(row) & (1 << Number(want.warning)))) return false;
    if (!want.text) return true;
    const locus = Genes.locus(want.text);
    if (locus) {
      const start = columns.tss[row] + 1 + this.data.binStart;
      const end = start + this.data.layers[0].shape[2] * this.data.binWidth - 1;
      const chrom = columns.chrom[row].toLowerCase().replace(/^chr/, "");
      return chrom === locus.chrom && locus.first <= end && locus.last >= start;
    }
    return this.names[row].includes(want.text.trim().toLowerCase());
  }

  select(want) {
    this.shown = [];
    for (let row = 0; row < this.count; row++) if (this.matches(row, want)) this.shown.push(row);
    const { key, up } = this.sorting;
    const sign = up ? 1 : -1;
    if (key === "place") {
      const { chrom, tss } = this.columns;
      const number = (row) => Number(chrom[row].replace(/^chr/i, "")) || 99;
      this.shown.sort((a, b) => sign * (number(a) - number(b)
        || (chrom[a] < chrom[b] ? -1 : chrom[a] > chrom[b] ? 1 : 0) || tss[a] - tss[b]));
    } else if (key) {
      const values = this.shown.map((row) => [this.value(row, key), row]);
      // What is not known comes last, whichever way.
      values.sort(([a, i], [b, j]) => {
        if (a === null || b === null) return (a === null) - (b === null) || i - j;
        return a < b ? -sign : a > b ? sign : i - j;
      });
      this.shown = values.map(([, row]) => row);
    }
    // The gene of just this name before others whose names hold it.
    const exact = want.text.trim().toLowerCase();
    if (exact && !key) {
      const own = (row) => this.names[row].split("\n").some((name) => name === exact);
      this.shown.sort((a, b) => own(b) - own(a));
    }
    this.page = 0;
  }

  get pages() {
    return Math.max(1, Math.ceil(this.shown.length / PAGE));
  }

  onPage() {
    return this.shown.slice(this.page * PAGE, (this.page + 1) * PAGE);
  }
}
