package viz

import (
	"fmt"
	"html"
	"html/template"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
)

// filterTable is a ramp as an SVG filter's table: the three channels' values.
type filterTable struct{ Name, R, G, B string }

// rampTable returns the ramp as a filter's table: it maps the grey of a level
// to the level's colour.
func rampTable(name string, dark bool) filterTable {
	channel := func(of func(color.RGBA) uint8) string {
		values := make([]string, levels)
		for l := range values {
			values[l] = fmt.Sprintf("%.3f", float64(of(rampColor(l, dark)))/255)
		}
		return strings.Join(values, " ")
	}
	return filterTable{
		name,
		channel(func(c color.RGBA) uint8 { return c.R }),
		channel(func(c color.RGBA) uint8 { return c.G }),
		channel(func(c color.RGBA) uint8 { return c.B }),
	}
}

// rampCSS defines the colours of all levels, of text on them, and of the
// charts as variables.
func rampCSS() string {
	var out strings.Builder
	for _, dark := range []bool{false, true} {
		out.WriteString(map[bool]string{false: "\n:root{", true: "\n@media (prefers-color-scheme:dark){:root{"}[dark])
		t := newTheme(dark)
		for _, v := range pageColors {
			fmt.Fprintf(&out, "--%s:%s;", v.name, hex(v.of(t)))
		}
		for l := range levels {
			c := rampColor(l, dark)
			fmt.Fprintf(&out, "--r%d:%s;--t%d:%s;", l, hex(c), l, hex(textOn(c)))
		}
		out.WriteString(map[bool]string{false: "}", true: "}}"}[dark])
	}
	return out.String() + "\n"
}

func hex(c color.Color) string {
	v := color.RGBAModel.Convert(c).(color.RGBA)
	return fmt.Sprintf("#%02x%02x%02x", v.R, v.G, v.B)
}

// grays are the greys that the script draws with: of 0 to 4 neighbours, of a
// kept value, and of one that is not.
func grays() string {
	out := make([]string, 0, 7)
	for i := range 5 {
		out = append(out, fmt.Sprint(grayOf(int(neighbourLevel(i)))))
	}
	return strings.Join(append(out, fmt.Sprint(grayOf(levels-1)), fmt.Sprint(grayOf(0))), ",")
}

// pageColors are the colours of charts that a page takes from its style sheet.
// In a drawing each is stood for by a colour that nothing else has.
var pageColors = []struct {
	name string
	of   func(*theme) color.Color
	mark color.RGBA
}{
	{"paper", func(t *theme) color.Color { return t.paper }, color.RGBA{1, 2, 1, 255}},
	{"ink", func(t *theme) color.Color { return t.ink }, color.RGBA{1, 2, 2, 255}},
	{"soft", func(t *theme) color.Color { return t.soft }, color.RGBA{1, 2, 3, 255}},
	{"line", func(t *theme) color.Color { return t.line }, color.RGBA{1, 2, 4, 255}},
	{"main", func(t *theme) color.Color { return t.main }, color.RGBA{1, 2, 5, 255}},
	{"other", func(t *theme) color.Color { return t.other }, color.RGBA{1, 2, 6, 255}},
	{"rest", func(t *theme) color.Color { return t.rest }, color.RGBA{1, 2, 7, 255}},
}

var (
	pageTheme = &theme{
		paper: pageColors[0].mark, ink: pageColors[1].mark, soft: pageColors[2].mark, line: pageColors[3].mark,
		main: pageColors[4].mark, other: pageColors[5].mark, rest: pageColors[6].mark,
		ramp: func(l int) color.RGBA { return rampColor(l, false) },
	}
	pageReplacer = func() *strings.Replacer {
		var pairs []string
		for _, v := range pageColors {
			pairs = append(pairs, strings.ToUpper(hex(v.mark)), "var(--"+v.name+")")
		}
		return strings.NewReplacer(append(pairs, fontFamilies+";", "")...)
	}()
)

// inlineSVG returns a chart as an element of the page, in the page's colours.
func inlineSVG(width, height vg.Length, label string, drawing func(f frame)) template.HTML {
	svg := string(drawSVG(width, height, pageTheme, false, drawing))
	// What the document's head says, the page's element says in its own way.
	_, inside, _ := strings.Cut(svg, "<svg")
	_, inside, _ = strings.Cut(inside, ">")
	head := fmt.Sprintf(`<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %g %g">`, html.EscapeString(label), width.Points(), height.Points())
	return template.HTML(head + pageReplacer.Replace(strings.TrimSpace(inside)))
}
