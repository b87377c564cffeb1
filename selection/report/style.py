"""The style sheet of the report. Colours are those of Okabe and Ito (2008) and Tol (2021), made
darker or lighter until text in them can be read; nothing is told by colour alone."""

STYLE = """
:root{--paper:#fff;--card:#f6f7f9;--ink:#1a1d21;--soft:#59616b;--line:#d9dde3;--link:#0b5cad;
--production:#0068a8;--boundary:#b84a00;--experts:#00775a;--start:#59616b;
--on:#fff;--train:#656e7a;--flag:#a8261c;--flag-paper:#fdf0ee;
--l0:#8f3a8f;--l1:#9a6700;--l2:#1f7a70;--l3:#4450a8;--l4:#b84a60;--l5:#6f6f22;--l6:#2f7599;
--l7:#77706b;
--good:#00694f;--warn:#8a5a00;--bad:#a8261c;--go:#0b5cad}
@media screen and (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1e2227;--ink:#e9ebee;
--soft:#a3abb6;
--line:#353b43;--link:#7cb8f5;--production:#5cb3ee;--boundary:#ff9552;--experts:#2fc79b;
--start:#a3abb6;
--on:#14171b;--train:#9aa3b0;--flag:#ff8b7e;--flag-paper:#2b1d1c;
--l0:#cf83cf;--l1:#e0ab45;--l2:#53b9ac;--l3:#8f9aec;--l4:#e2899a;--l5:#b5b45a;--l6:#7cc0e2;
--l7:#a8a19b;
--good:#0a7f61;--warn:#94650a;--bad:#b93a2f;--go:#2a6fb8}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:28px 24px 40px;max-width:1020px;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
h1{font-size:1.9rem;line-height:1.2;margin:.1em 0 .7em;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:0 0 .5em;line-height:1.25}
h3{font-size:1rem;margin:1.2em 0 .5em}
p{margin:0 0 .6em}
section{margin-top:44px}
a{color:var(--link)}
code{font:.86em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
small{font-size:.8rem;color:var(--soft)}
abbr{text-decoration:underline dotted;cursor:help}
.kicker,.lead,footer,.note{color:var(--soft)}
.kicker{font-size:.9rem;margin:0}
.lead{max-width:72ch}
.note{font-size:.86rem}.note p{margin:0}.note ul,ol.note{margin:.2em 0;padding-left:1.5em}
footer{margin-top:48px;padding-top:12px;border-top:1px solid var(--line);font-size:.86rem}
.verdict{display:flex;gap:18px;align-items:baseline;background:var(--card);border-radius:10px;
border-left:6px solid var(--go);padding:18px 20px}
.verdict .reason{font-size:1.16rem;line-height:1.42;margin:0;min-width:0;overflow-wrap:anywhere}
.edge-parity{border-color:var(--good)}.edge-plateau,.edge-budget{border-color:var(--warn)}
.edge-policy{border-color:var(--bad)}
.badge{display:inline-block;white-space:nowrap;background:var(--go);color:#fff;font-weight:650;
font-size:.84rem;padding:.22em .75em;border-radius:99px}
.rule-parity{background:var(--good)}.rule-plateau,.rule-budget{background:var(--warn)}
.rule-policy{background:var(--bad)}
.facts{display:grid;grid-template-columns:auto auto minmax(16em,1fr);gap:12px 36px;
margin:20px 0 22px}
.facts>div:nth-child(4){grid-column:1/-1}
dt{font-size:.8rem;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.big{display:grid;grid-template-columns:repeat(3,1fr);gap:16px}
.figure{background:var(--card);border-radius:10px;padding:14px 18px 12px;
border-top:3px solid var(--c)}
.figure p{margin:0}.who{font-size:.88rem;color:var(--soft)}
.value{font-size:2.7rem;line-height:1.2;font-weight:680;letter-spacing:-.02em;color:var(--c);
font-variant-numeric:tabular-nums}
.value abbr{font-size:1.5rem;font-weight:600;line-height:2.1}
.small{font-size:.88rem;color:var(--soft);overflow-wrap:anywhere}
.strip{position:relative;height:14px;margin:4px 0 6px}
.strip:before{content:"";position:absolute;left:0;right:0;top:6px;height:2px;background:var(--line)}
.strip span{position:absolute;background:var(--c)}
.range{top:4px;height:6px;opacity:.38;border-radius:3px}
.at{top:0;width:4px;height:14px;margin-left:-2px;border-radius:2px}
.s-production_kappa{--c:var(--production)}.s-boundary_kappa{--c:var(--boundary)}
.s-expert_kappa{--c:var(--experts)}.s-start_kappa{--c:var(--start)}
figure{margin:0}
svg.chart{display:block;width:100%;height:auto}
svg.narrow{display:none}
svg text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",
sans-serif;fill:var(--ink)}
svg .tick{font-size:12.5px;font-variant-numeric:tabular-nums}
svg .faint,svg .tick.end{fill:var(--soft)}
svg .mid{text-anchor:middle}svg .tick.end{text-anchor:end}
svg .name{font-weight:600;fill:var(--c)}svg.narrow .name{font-size:12px}
.grid,.zero{stroke:var(--line);stroke-width:1}.zero{stroke:var(--soft)}
svg .line{stroke:var(--c);stroke-width:2.5;fill:none}
svg .s-start_kappa.line,svg .s-start_kappa .line{stroke-dasharray:6 5;stroke-width:2}
svg .bar{stroke:var(--c);stroke-width:1.8;fill:none;opacity:.6}
svg .mark{fill:var(--c);stroke:var(--paper);stroke-width:1.5}
.halves{display:grid;grid-template-columns:1fr 1fr;gap:0 44px}
.halves>div{min-width:0}
.legend{font-size:.86rem;color:var(--soft);display:flex;flex-wrap:wrap;gap:2px 16px}
.legend span{overflow-wrap:anywhere}
.dot{display:inline-block;width:.8em;height:.8em;border-radius:3px;margin-right:.45em;
vertical-align:-.06em}
.bar-row{display:grid;grid-template-columns:7.2em 1fr 5.4em;gap:10px;align-items:center;
margin:6px 0;font-size:.9rem}
.bar-name{overflow-wrap:anywhere;line-height:1.2}
.steps{padding-left:1.4em;max-width:72ch}.steps li{margin-bottom:.4em}
.bar-track{display:flex;height:22px;background:var(--card);border-radius:4px;overflow:hidden}
.bar-total{font-variant-numeric:tabular-nums;font-size:.84rem;color:var(--soft);white-space:nowrap}
.piece{border-right:1px solid var(--paper)}
.piece:last-child{border-right:0}
.role-train{background:var(--train)}.role-boundary{background:var(--boundary)}
.role-audit{background:var(--production)}
.label-0{background:var(--l0)}.label-1{background:var(--l1)}.label-2{background:var(--l2)}
.label-3{background:var(--l3)}
.label-4{background:var(--l4)}.label-5{background:var(--l5)}.label-6{background:var(--l6)}
.label-7{background:var(--l7)}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{text-align:left;font-size:.8rem;color:var(--soft);font-weight:600;vertical-align:bottom}
th,td{padding:7px 12px 7px 0}td{overflow-wrap:anywhere}
td{vertical-align:top;font-variant-numeric:tabular-nums}
td b,td .badge{overflow-wrap:normal}td small{display:block}td .bounds{white-space:nowrap}
.rounds code{display:inline-block;min-width:9.6em}
.rounds tbody{border-top:1px solid var(--line)}
tr.reason td{padding-top:0;padding-bottom:12px;font-size:.84rem;color:var(--soft);line-height:1.45}
.pairs{display:grid;gap:16px}
.singles{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px;align-items:start}
.card{border:1px solid var(--line);border-radius:10px;padding:10px 12px 12px;break-inside:avoid}
.card.differs{border-left:4px solid var(--flag)}
.side.differs{background:var(--flag-paper)}
.card header{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;font-size:.8rem;
margin-bottom:8px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 16px}
.side{min-width:0;padding:10px 14px 8px;border-radius:8px;background:var(--card)}
.two .side{display:grid;grid-row:span 4;grid-template-rows:subgrid}
.use{color:var(--on);border-radius:4px;padding:.1em .6em;font-weight:600}
.use.role-train{background:none;color:var(--ink);box-shadow:inset 0 0 0 1px var(--soft)}
.how{color:var(--soft)}
.flag{color:var(--flag);font-weight:650}
blockquote{margin:0 0 10px;font-size:1.06rem;line-height:1.4;white-space:pre-wrap;
overflow-wrap:anywhere;unicode-bidi:isolate}
.belief .who{margin:0 0 2px;font-size:.8rem}
.belief .bar-row{grid-template-columns:8em 1fr 3em;margin:3px 0;font-size:.84rem;color:var(--soft)}
.belief .bar-track{height:10px;background:var(--line)}
.belief .piece{border:0}
.told{grid-column:2/-1;font-size:.8rem;color:var(--soft);margin-top:-8px}
.belief .pick{color:var(--ink);font-weight:650}.belief .pick .bar-total{color:var(--ink)}
.said{margin:8px 0 6px;display:flex;flex-wrap:wrap;gap:6px}
.chip{font-size:.86rem;border-radius:6px;padding:.1em .6em;background:var(--paper);
border:1px solid var(--line);overflow-wrap:anywhere}
.chip.other{border-color:var(--flag);color:var(--flag);background:var(--paper)}
.waits{font-size:.88rem;color:var(--soft);font-style:italic;margin:4px 0}
.why{font-size:.8rem;color:var(--soft);margin:4px 0 0;overflow-wrap:anywhere}
.problems{margin:0;padding-left:1.2em;overflow-wrap:anywhere}.problems li{margin-bottom:.3em}
@media (max-width:680px){
body{padding:18px 16px 32px}
h1{font-size:1.5rem}
section{margin-top:36px}
.verdict{flex-direction:column;gap:8px;padding:14px 16px}
.verdict .reason{font-size:1.04rem}
.facts,.big,.halves,.two,.singles{grid-template-columns:minmax(0,1fr)}
.facts{gap:10px}.big{gap:10px}
.figure{display:grid;grid-template-columns:1fr auto;align-items:center;padding:10px 14px}
.figure .value{grid-row:1/4;grid-column:2;font-size:2.2rem;padding-left:14px}
.figure .value abbr{font-size:1.1rem}
svg.wide{display:none}svg.narrow{display:block}
.bar-row{grid-template-columns:5.6em 1fr 4.8em}
.belief .bar-row{grid-template-columns:6.6em 1fr 2.8em}
.two .side{display:block;grid-row:auto}
.two>.side+.side{margin-top:10px}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,td{display:block}
.rounds tbody{padding:8px 0}
.rounds td{display:grid;grid-template-columns:8.2em minmax(0,1fr);padding:3px 0}
.rounds td>*{grid-column:2}
.rounds td:before{content:attr(data-label);grid-column:1;grid-row:1;color:var(--soft);
font-size:.84rem}
.rounds td .badge{justify-self:start}
.rounds tr.reason td{display:block;padding:4px 0 6px}.rounds tr.reason td:before{content:none}
}
@media print{
:root{--paper:#fff;--card:#f6f7f9;--ink:#000;--soft:#444;--line:#bbb}
html{font-size:12px}body{padding:0;max-width:none;font-size:1rem}svg.chart{max-height:80mm}
section{margin-top:24px}h2{break-after:avoid}
.verdict,.figure,figure,.halves,.rounds tbody{break-inside:avoid}
}
"""
