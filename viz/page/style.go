package page

import (
	"fmt"
	"html"
	"html/template"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"

	"kenserve/viz/figure"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/raster"
)

// filterTable is a colour ramp as the tables of an SVG filter, one for each channel.
type filterTable struct{ Name, R, G, B string }

// rampTable returns the filter that maps the grey of a level, see [raster.Gray], to the level's
// colour.
func rampTable(name string, dark bool) filterTable {
	channel := func(of func(color.RGBA) uint8) string {
		values := make([]string, raster.Levels)
		for l := range values {
			values[l] = fmt.Sprintf("%.3f", float64(of(canvas.RampColor(l, dark)))/255)
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

// rampCSS returns CSS that defines, for both themes, the variables of the charts' colours and,
// for each level l, --rl, its colour, and --tl, the colour of text on it.
func rampCSS() string {
	var out strings.Builder
	for _, dark := range []bool{false, true} {
		out.WriteString(map[bool]string{false: "\n:root{", true: "\n@media (prefers-color-scheme:dark){:root{"}[dark])
		t := canvas.NewTheme(dark)
		for _, v := range styleColors {
			fmt.Fprintf(&out, "--%s:%s;", v.name, hex(v.of(t)))
		}
		for l := range raster.Levels {
			c := canvas.RampColor(l, dark)
			fmt.Fprintf(&out, "--r%d:%s;--t%d:%s;", l, hex(c), l, hex(canvas.TextOn(c)))
		}
		out.WriteString(map[bool]string{false: "}", true: "}}"}[dark])
	}
	return out.String() + "\n"
}

// hex returns a colour as #rrggbb.
func hex(c color.Color) string {
	v := color.RGBAModel.Convert(c).(color.RGBA)
	return fmt.Sprintf("#%02x%02x%02x", v.R, v.G, v.B)
}

// grays returns the greys with which the script draws, separated by commas: of 0 to 4
// neighbours, of a kept value, and of a value that is not kept.
func grays() string {
	out := make([]string, 0, 7)
	for i := range 5 {
		out = append(out, fmt.Sprint(raster.Gray(int(raster.CountLevel(i)))))
	}
	return strings.Join(append(out, fmt.Sprint(raster.Gray(raster.Levels-1)), fmt.Sprint(raster.Gray(0))), ",")
}

// styleColors are the colours of charts that the style sheet defines. A chart is drawn in
// styleTheme, in which every colour is replaced by its mark, a colour that nothing else has;
// then colorReplacer replaces the marks by CSS variables.
var styleColors = []struct {
	name string
	of   func(*canvas.Theme) color.Color
	mark color.RGBA
}{
	{"paper", func(t *canvas.Theme) color.Color { return t.Paper }, color.RGBA{1, 2, 1, 255}},
	{"ink", func(t *canvas.Theme) color.Color { return t.Ink }, color.RGBA{1, 2, 2, 255}},
	{"soft", func(t *canvas.Theme) color.Color { return t.Soft }, color.RGBA{1, 2, 3, 255}},
	{"line", func(t *canvas.Theme) color.Color { return t.Line }, color.RGBA{1, 2, 4, 255}},
	{"main", func(t *canvas.Theme) color.Color { return t.Main }, color.RGBA{1, 2, 5, 255}},
	{"other", func(t *canvas.Theme) color.Color { return t.Other }, color.RGBA{1, 2, 6, 255}},
	{"rest", func(t *canvas.Theme) color.Color { return t.Rest }, color.RGBA{1, 2, 7, 255}},
}

var (
	styleTheme = &canvas.Theme{
		Paper: styleColors[0].mark, Ink: styleColors[1].mark, Soft: styleColors[2].mark, Line: styleColors[3].mark,
		Main: styleColors[4].mark, Other: styleColors[5].mark, Rest: styleColors[6].mark,
		Ramp: func(l int) color.RGBA { return canvas.RampColor(l, false) },
	}
	colorReplacer = func() *strings.Replacer {
		var pairs []string
		for _, v := range styleColors {
			pairs = append(pairs, strings.ToUpper(hex(v.mark)), "var(--"+v.name+")")
		}
		return strings.NewReplacer(append(pairs, canvas.FontFamilies+";", "")...)
	}()
)

// newChart draws a chart in the size of the page's charts. label is its alternative text.
func newChart(label string, c figure.Chart) chart {
	return chart{inlineSVG(chartWidth, chartHeight, label, c.Draw), c.Caption}
}

// inlineSVG returns a drawing as an <svg> element of the page, in the page's colours.
func inlineSVG(width, height vg.Length, label string, drawing func(f canvas.Frame)) template.HTML {
	svg := string(canvas.SVG(width, height, styleTheme, false, drawing))
	// The header of the SVG document is replaced by attributes of the element.
	_, inside, _ := strings.Cut(svg, "<svg")
	_, inside, _ = strings.Cut(inside, ">")
	head := fmt.Sprintf(`<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %g %g">`, html.EscapeString(label), width.Points(), height.Points())
	return template.HTML(head + colorReplacer.Replace(strings.TrimSpace(inside)))
}
