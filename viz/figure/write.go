package figure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Format is what a view can be written as.
type Format string

// The formats.
const (
	PNG  Format = "png"
	SVG  Format = "svg"
	JSON Format = "json"
)

// ErrFormat means a format that views are not written in.
var errFormat = errors.New("unknown format")

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case PNG, SVG, JSON:
		return f, nil
	}
	return "", fmt.Errorf("viz: %w %q: it is %s, %s or %s", errFormat, name, PNG, SVG, JSON)
}

// ContentType returns the format's media type.
func (f Format) ContentType() string {
	switch f {
	case PNG:
		return "image/png"
	case SVG:
		return "image/svg+xml"
	}
	return "application/json"
}

// Style is how a picture looks.
type Style struct {
	Dark bool // light on dark
	// Width of a PNG in pixels, from MinWidth to MaxWidth; 0: 1280. A picture
	// that would have more than MaxPixels is drawn smaller.
	Width int
}

// The bounds of a picture, in pixels.
const (
	MinWidth     = 480
	MaxWidth     = 4096
	maxPixels    = 1 << 25
	defaultWidth = 1280
)

// figureWidth is the width in points in which every picture is laid out; a
// picture of more pixels is the same one, finer.
const figureWidth vg.Length = 640

// margin is left free on all sides of a picture, in points.
const margin vg.Length = 16

// Write draws a view as a PNG or SVG, or writes its numbers as one JSON object.
func Write(w io.Writer, v viz.View, f Format, s Style) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("viz: write numbers: %w", err)
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

func writePNG(w io.Writer, p picture, s Style) error {
	pixels := s.Width
	if pixels == 0 {
		pixels = defaultWidth
	}
	pixels = min(max(pixels, MinWidth), MaxWidth)
	// The canvas takes whole dots an inch: what is left over becomes margin.
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
