package figure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
)

// Format is a file format for views.
type Format string

// The formats.
const (
	PNG  Format = "png"
	SVG  Format = "svg"
	JSON Format = "json"
)

// errFormat means that views cannot be written in a format.
var errFormat = errors.New("unknown format")

// ParseFormat returns the format of that name: png, svg or json.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case PNG, SVG, JSON:
		return f, nil
	}
	return "", fmt.Errorf("viz: %w %q, want %s, %s or %s", errFormat, name, PNG, SVG, JSON)
}

// ContentType returns the media type of the format.
func (f Format) ContentType() string {
	switch f {
	case PNG:
		return "image/png"
	case SVG:
		return "image/svg+xml"
	}
	return "application/json"
}

// Style says how a picture looks.
type Style struct {
	Dark bool // light colours on a dark background
	// Width is the width of a PNG in pixels, from MinWidth to MaxWidth; 0: 1280. A picture
	// of more than 2^25 pixels is drawn smaller.
	Width int
}

// Bounds of the size of a PNG, in pixels.
const (
	MinWidth     = 480
	MaxWidth     = 4096
	maxPixels    = 1 << 25
	defaultWidth = 1280
)

// figureWidth is the width of the layout of every picture, in points.
const figureWidth vg.Length = 640

// margin is the empty border of a picture, in points.
const margin vg.Length = 16

// Write draws a view as a PNG or SVG, or writes its numbers as one JSON object. Only PNG uses
// the width of the style; JSON ignores the style.
func Write(w io.Writer, v viz.View, f Format, s Style) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("viz: write numbers as JSON: %w", err)
		}
		return nil
	case SVG:
		p := pictureOf(v)
		svg := canvas.SVG(figureWidth+2*margin, p.height()+2*margin, canvas.NewTheme(s.Dark), true, func(f canvas.Frame) {
			p.draw(f.Part(margin, margin, figureWidth, f.Height()-2*margin))
		})
		if _, err := w.Write(svg); err != nil {
			return fmt.Errorf("viz: write picture: %w", err)
		}
		return nil
	case PNG:
		return writePNG(w, pictureOf(v), s)
	}
	return fmt.Errorf("viz: %w %q", errFormat, f)
}

// writePNG draws a picture as a PNG.
func writePNG(w io.Writer, p picture, s Style) error {
	pixels := s.Width
	if pixels == 0 {
		pixels = defaultWidth
	}
	pixels = min(max(pixels, MinWidth), MaxWidth)
	// vgimg needs a whole number of dots per inch. The rest of the width is margin.
	layout, height := figureWidth+2*margin, p.height()+2*margin
	pixels = min(pixels, int(math.Sqrt(maxPixels*float64(layout/height))))
	dpi := max(int(vg.Length(pixels)*vg.Inch/layout), 1)
	theme := canvas.NewTheme(s.Dark)
	width := vg.Length(pixels) * vg.Inch / vg.Length(dpi)
	surface := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(theme.Paper))
	f := canvas.Frame{Canvas: draw.New(surface), Theme: theme}
	p.draw(f.Part((width-figureWidth)/2, margin, figureWidth, height-2*margin))
	out := bufio.NewWriter(w)
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := errors.Join(encoder.Encode(out, surface.Image()), out.Flush()); err != nil {
		return fmt.Errorf("viz: write picture: %w", err)
	}
	return nil
}
