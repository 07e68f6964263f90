// One gene as a picture: coverage, signal and weights over the window, and weights of marks.

const COLOURS = {
  light: {
    paper: "#ffffff", ink: "#1b1f24", grid: "#d0d7de", none: "#f3d9c2", rule: "#57606a",
    signal: [[0, "#ffffff"], [1, "#2d2d2d"]],
    weight: [[0, "#ffffff"], [1, "#08519c"]],
    signed: [[0, "#0072b2"], [0.5, "#ffffff"], [1, "#d55e00"]],
  },
  dark: {
    paper: "#10151c", ink: "#e6edf3", grid: "#38424d", none: "#57402c", rule: "#9aa7b4",
    signal: [[0, "#10151c"], [1, "#f2f2f2"]],
    weight: [[0, "#10151c"], [1, "#6cc0f5"]],
    signed: [[0, "#56b4e9"], [0.5, "#10151c"], [1, "#ff9d45"]],
  },
};

// Plotly reads tags and entities in its texts; names are only names.
const plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

class Picture {
  constructor(node, data) {
    this.node = node;
    this.data = data;
    this.bins = data.layers[0].shape[2];
    this.centres = Array.from(
      { length: this.bins },
      (_, bin) => (data.binStart + (bin + 0.5) * data.binWidth) / 1000
    );
    this.edges = Array.from(
      { length: this.bins + 1 },
      (_, bin) => (data.binStart + bin * data.binWidth) / 1000
    );
    this.cursor = { panel: "weight", line: 0, bin: Math.floor(this.bins / 2) };
  }

  // First base and the base after the last of a bin, from the TSS along the bins' direction.
  offsets(bin) {
    const start = this.data.binStart + bin * this.data.binWidth;
    return [start, start + this.data.binWidth];
  }

  // The same on the chromosome, 0-based and half-open.
  place(row, bin) {
    const { genes, alongGene, binStart, binWidth } = this.data;
    const back = alongGene && genes.strand[row] === "-";
    const start = binStart + (back ? this.bins - 1 - bin : bin) * binWidth;
    return [genes.tss[row] + start, genes.tss[row] + start + binWidth];
  }

  static most(lines) {
    let most = 0;
    for (const line of lines) {
      for (const value of line) if (Math.abs(value) > most) most = Math.abs(value);
    }
    return most || 1;
  }

  heat(panel, layer, lines, axis, colours, domain) {
    const most = Picture.most(lines);
    const scale = panel === "signal" ? colours.signal : layer.signed ? colours.signed : colours.weight;
    return {
      type: "heatmap", xaxis: "x", yaxis: axis, x: this.centres, y: layer.names.map((_, at) => at),
      z: lines.map((line) => line.map((value) => (Number.isNaN(value) ? null : value))),
      zmin: layer.signed ? -most : 0, zmax: most, colorscale: scale,
      hoverinfo: "none", hoverongaps: true,
      colorbar: {
        x: this.narrow ? 1.0 : 0.805, xanchor: "left", xpad: 4, thickness: 8, len: domain[1] - domain[0],
        y: (domain[0] + domain[1]) / 2, tickfont: { size: 9 }, outlinewidth: 0, nticks: 4,
      },
      meta: { panel },
    };
  }

  draw(row, signal, coverage, weight, beta, theme) {
    this.row = row;
    this.lines = { signal: signal.read(row), coverage: coverage.read(row) };
    this.layers = { signal, coverage };
    const overBins = weight && weight.kind === "weight";
    if (overBins) {
      this.lines.weight = weight.read(row);
      this.layers.weight = weight;
    }
    const shown = weight && weight.kind === "marks" ? weight : beta;
    this.bars = shown ? shown.read(row).map((line) => line[0]) : null;
    this.barLayer = shown;
    if (!this.lines[this.cursor.panel]) this.cursor.panel = "signal";
    this.cursor.line = Math.min(this.cursor.line, this.lines[this.cursor.panel].length - 1);
    const colours = COLOURS[theme];
    this.narrow = this.node.clientWidth < 560;
    // Beside the names of marks, where there is room, what the paper calls them.
    this.label = (name) => {
      const mark = this.data.marks.find((one) => one.name === name);
      return plain(!name ? "all marks" : mark && !this.narrow ? mark.label : name);
    };
    const { traces, layout } = this.compose(row, colours, overBins);
    return Plotly.react(this.node, traces, layout, { displayModeBar: false, responsive: true });
  }

  compose(row, colours, overBins) {
    const below = this.narrow && this.bars;
    const floor = below ? 0.3 : 0;
    const tall = 1 - floor;
    const spans = overBins
      ? { weight: [0, 0.38], signal: [0.44, 0.77], coverage: [0.83, 1] }
      : { signal: [0, 0.7], coverage: [0.77, 1] };
    for (const name of Object.keys(spans)) {
      spans[name] = spans[name].map((at) => floor + at * tall);
    }
    this.spans = spans;
    const wide = this.narrow ? 1 : 0.8;
    const axes = { weight: "y", signal: "y2", coverage: "y3" };
    const traces = [];
    const { tracks, marks } = this.data;
    this.lines.coverage.forEach((line, at) => traces.push({
      type: "scatter", mode: "lines", fill: "tozeroy", xaxis: "x", yaxis: "y3", x: this.edges,
      y: [...line, line.at(-1)].map((value) => (Number.isNaN(value) ? null : value)), hoverinfo: "none",
      line: { color: tracks[at].colour, width: 1, shape: "hv" }, name: plain(tracks[at].name),
      meta: { panel: "coverage", line: at },
    }));
    traces.push(this.heat("signal", this.layers.signal, this.lines.signal, "y2", colours, spans.signal));
    if (overBins) {
      traces.push(this.heat("weight", this.layers.weight, this.lines.weight, "y", colours, spans.weight));
    }
    const axis = (span, names, title) => ({
      domain: span, anchor: "x", tickvals: names.map((_, at) => at), ticktext: names.map(this.label),
      range: [names.length - 0.5, -0.5], fixedrange: true, showgrid: false, zeroline: false,
      title: { text: title, font: { size: 11 }, standoff: 4 }, tickfont: { size: 10 },
    });
    const layout = {
      height: this.narrow ? 620 : 520, showlegend: false, dragmode: false,
      paper_bgcolor: colours.paper, plot_bgcolor: colours.paper,
      font: { family: "system-ui, Helvetica, Arial, sans-serif", size: 11, color: colours.ink },
      margin: { l: this.narrow ? 74 : 126, r: this.narrow ? 46 : 20, t: 46, b: 40 },
      title: { text: this.title(row), x: 0.01, xanchor: "left", y: 0.985, yanchor: "top", font: { size: 12 } },
      xaxis: {
        domain: [0, wide], range: [this.data.binStart / 1000, this.data.binStart / 1000 + this.bins * this.data.binWidth / 1000],
        title: { text: "distance from the TSS (kb)", font: { size: 11 }, standoff: 6 }, fixedrange: true,
        showgrid: false, zeroline: false, anchor: overBins ? "y" : "y2", color: colours.ink,
      },
      yaxis2: axis(spans.signal, this.layers.signal.names, ""),
      yaxis3: {
        domain: spans.coverage, anchor: "x", fixedrange: true, rangemode: "tozero", nticks: 3,
        showticklabels: this.lines.coverage.flat().some((value) => !Number.isNaN(value)),
        showgrid: false, zeroline: false, tickfont: { size: 9 },
      },
      shapes: this.shapes(row, colours), annotations: [],
    };
    const head = (text, span) => layout.annotations.push({
      text: plain(text), xref: "paper", yref: "paper", x: 0, y: span[1], xanchor: "left", yanchor: "bottom",
      showarrow: false, font: { size: 10.5, color: colours.ink },
    });
    const unit = (name) => (this.data[name] ? `, ${this.data[name]}` : "");
    if (tracks.length) head(`${tracks.map((t) => t.name).join(", ")} coverage${unit("coverageUnit")}`, spans.coverage);
    head(`signal${unit("signalUnit")}`, spans.signal);
    if (overBins) {
      layout.yaxis = axis(spans.weight, this.layers.weight.names, "");
      head(`weights: ${this.layers.weight.name}`, spans.weight);
    } else {
      layout.yaxis = { visible: false, domain: [0, 0.001] };
    }
    if (this.bars) this.addBars(traces, layout, head, colours, below, overBins, marks);
    return { traces, layout };
  }

  addBars(traces, layout, head, colours, below, overBins, marks) {
    const names = this.barLayer.names;
    const colour = (name) => (marks.find((mark) => mark.name === name) || { colour: colours.rule }).colour;
    traces.push({
      type: "bar", orientation: "h", xaxis: "x2", yaxis: "y4", y: names.map((_, at) => at),
      x: this.bars.map((value) => (Number.isNaN(value) ? null : value)), marker: { color: names.map(colour) },
      text: this.bars.map((value) => (Number.isNaN(value) ? "" : show(value).slice(0, 6))),
      textposition: "outside", textangle: 0, textfont: { size: 9 }, cliponaxis: false, hoverinfo: "none", meta: { panel: "bars" },
    });
    const span = below ? [0, 0.2] : overBins ? this.spans.weight : this.spans.signal;
    layout.xaxis2 = {
      domain: below ? [0, 0.94] : [0.89, 0.97], anchor: "y4", fixedrange: true, showgrid: false, nticks: 2, tickangle: 0,
      tickfont: { size: 9 }, zeroline: true, zerolinecolor: colours.rule,
    };
    layout.yaxis4 = {
      domain: span, anchor: "x2", range: [names.length - 0.5, -0.5], fixedrange: true, showgrid: false,
      zeroline: false, tickvals: below ? names.map((_, at) => at) : [], ticktext: names.map(this.label), tickfont: { size: 10 },
    };
    const text = this.barLayer.name;
    layout.annotations.push({
      text: plain(text), xref: "paper", yref: "paper", x: below ? 0 : 1, y: span[1],
      xanchor: below ? "left" : "right", yanchor: "bottom", showarrow: false, font: { size: 10.5, color: colours.ink },
    });
  }

  title(row) {
    const { genes, cells, simulated } = this.data;
    const symbol = genes.symbol[row];
    const name = symbol && symbol !== genes.id[row] ? `${symbol} (${genes.id[row]})` : genes.id[row];
    const note = simulated ? " \u2013 simulated data" : "";
    return plain(`${name}, ${cells[genes.cell[row]]}${note}`);
  }

  shapes(row, colours) {
    const low = Math.min(...Object.values(this.spans).map((span) => span[0]));
    const rule = (x, colour, dash) => ({
      type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: low, y1: 1,
      line: { color: colour, width: 1, dash },
    });
    const near = this.data.genes.near[row].map(([, offset]) => rule(offset / 1000, "#d55e00", "solid"));
    const { panel, line, bin } = this.cursor;
    const span = this.spans[panel];
    const [start, end] = this.offsets(bin).map((at) => at / 1000);
    const box = { type: "rect", xref: "x", x0: start, x1: end, line: { color: "#d55e00", width: 1.5 } };
    if (panel === "coverage") Object.assign(box, { yref: "paper", y0: span[0], y1: span[1] });
    else Object.assign(box, { yref: panel === "signal" ? "y2" : "y", y0: line - 0.5, y1: line + 0.5 });
    // What shows through where a heatmap has no value.
    const behind = ["signal", "weight"].filter((name) => this.spans[name]).map((name) => ({
      type: "rect", xref: "x domain", yref: "paper", x0: 0, x1: 1, y0: this.spans[name][0],
      y1: this.spans[name][1], layer: "below", line: { width: 0 }, fillcolor: colours.none,
    }));
    const [first] = this.lines.coverage;
    const [low3, high3] = this.spans.coverage;
    if (first) {
      let start = -1;
      for (let at = 0; at <= this.bins; at++) {
        const gap = at < this.bins && Number.isNaN(first[at]);
        if (gap && start < 0) start = at;
        if (gap || start < 0) continue;
        behind.push({
          type: "rect", xref: "x", yref: "paper", x0: this.edges[start], x1: this.edges[at],
          y0: low3, y1: high3, layer: "below", line: { width: 0 }, fillcolor: colours.none,
        });
        start = -1;
      }
    }
    return [...behind, rule(0, colours.rule, "dot"), ...near, box];
  }

  // Move the marked bin and redraw only that.
  move(change, theme) {
    Object.assign(this.cursor, change);
    this.cursor.bin = Math.max(0, Math.min(this.bins - 1, this.cursor.bin));
    return Plotly.relayout(this.node, { shapes: this.shapes(this.row, COLOURS[theme]) });
  }

  step(up) {
    const order = ["coverage", "signal", "weight"].filter((panel) => this.lines[panel] && this.lines[panel].length);
    const all = order.flatMap((panel) => this.lines[panel].map((_, line) => ({ panel, line })));
    const here = all.findIndex((one) => one.panel === this.cursor.panel && one.line === this.cursor.line);
    return all[Math.max(0, Math.min(all.length - 1, here + (up ? -1 : 1)))];
  }

  // What is known of the marked bin, as parts of a sentence.
  explain() {
    const { panel, line, bin } = this.cursor;
    const { genes } = this.data;
    const row = this.row;
    const [from, to] = this.offsets(bin);
    const [start, end] = this.place(row, bin);
    const sign = (at) => `${at > 0 ? "+" : at < 0 ? "\u2212" : ""}${Math.abs(at).toLocaleString("en-US")}`;
    const value = (name, at) => {
      const number = this.lines[name][at][bin];
      return { number, text: show(number, this.layers[name].slack(row)) };
    };
    const mark = panel === "coverage" ? 0 : line;
    const signalAt = this.layers.signal.names.indexOf(
      panel === "weight" ? this.layers.weight.names[mark] : this.layers.signal.names[mark]
    );
    const found = {
      bin, from, to, start, end,
      distance: `${sign(from)} to ${sign(to)} bp from the TSS`,
      place: `${genes.chrom[row]}:${(start + 1).toLocaleString("en-US")}\u2013${end.toLocaleString("en-US")}`,
      mark: panel === "coverage" ? "" : this.layers[panel].names[mark] || "all marks",
      signal: signalAt >= 0 ? value("signal", signalAt) : null,
      weight: null,
      coverage: this.data.tracks.map((track, at) => ({ name: track.name, ...value("coverage", at) })),
    };
    if (this.lines.weight) {
      const own = this.layers.weight.names.length === 1 ? 0
        : this.layers.weight.names.indexOf(found.mark);
      if (own >= 0) found.weight = value("weight", own);
    }
    return found;
  }
}
