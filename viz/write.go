package viz

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// View is the numbers of a view: a *Kept, *Neighbours, *Layers, *Density,
// *Changes or *Shares.
type View interface {
	// height of the picture in points, figureWidth wide.
	height() vg.Length
	// draw draws the picture into a frame of that size, less margins.
	draw(f frame)
}

// Format is what a view can be written as.
type Format string

// The formats.
const (
	PNG  Format = "png"
	SVG  Format = "svg"
	JSON Format = "json"
)

// ErrFormat means a format that views are not written in.
var ErrFormat = errors.New("unknown format")

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case PNG, SVG, JSON:
		return f, nil
	}
	return "", fmt.Errorf("viz: %w %q: it is %s, %s or %s", ErrFormat, name, PNG, SVG, JSON)
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
	MaxPixels    = 1 << 25
	defaultWidth = 1280
)

// margin is left free on all sides of a picture, in points.
const margin vg.Length = 16

// Write draws a view as a PNG or SVG, or writes its numbers as one JSON object.
func Write(w io.Writer, v View, f Format, s Style) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("viz: write numbers: %w", err)
		}
		return nil
	case SVG:
		svg := drawSVG(figureWidth+2*margin, v.height()+2*margin, newTheme(s.Dark), true, func(f frame) {
			v.draw(f.part(margin, margin, figureWidth, f.height()-2*margin))
		})
		if _, err := w.Write(svg); err != nil {
			return fmt.Errorf("viz: write picture: %w", err)
		}
		return nil
	case PNG:
		return writePNG(w, v, s)
	}
	return fmt.Errorf("viz: %w %q", ErrFormat, f)
}

func writePNG(w io.Writer, v View, s Style) error {
	pixels := s.Width
	if pixels == 0 {
		pixels = defaultWidth
	}
	pixels = min(max(pixels, MinWidth), MaxWidth)
	// The canvas takes whole dots an inch: what is left over becomes margin.
	layout, height := figureWidth+2*margin, v.height()+2*margin
	pixels = min(pixels, int(math.Sqrt(MaxPixels*float64(layout/height))))
	dpi := max(int(vg.Length(pixels)*vg.Inch/layout), 1)
	theme := newTheme(s.Dark)
	width := vg.Length(pixels) * vg.Inch / vg.Length(dpi)
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(theme.paper))
	f := frame{draw.New(canvas), theme}
	v.draw(f.part((width-figureWidth)/2, margin, figureWidth, height-2*margin))
	out := bufio.NewWriter(w)
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := errors.Join(encoder.Encode(out, canvas.Image()), out.Flush()); err != nil {
		return fmt.Errorf("viz: write picture: %w", err)
	}
	return nil
}

// fontFamilies follow the typeface of the layout: those with its metrics first.
const fontFamilies = "font-family:Liberation Sans,Arial,Helvetica,sans-serif"

// drawSVG draws an SVG of a size in points.
func drawSVG(width, height vg.Length, t *theme, background bool, drawing func(f frame)) []byte {
	canvas := vgsvg.New(width, height)
	f := frame{draw.New(canvas), t}
	if background {
		f.FillPolygon(t.paper, corners(f.Rectangle))
	}
	drawing(f)
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil { // a buffer takes everything
		panic(fmt.Sprintf("viz: draw: %v", err))
	}
	// The canvas names one typeface, calls every picture a JPEG, and leaves
	// it to the viewer whether pixels are smoothed. Text is escaped, so these
	// can only be the canvas's own attributes.
	return []byte(fixSVG.Replace(out.String()))
}

var fixSVG = strings.NewReplacer(
	"font-family:Liberation Sans", fontFamilies,
	";font-variant:normal;font-weight:normal;font-style:normal", "",
	`xlink:href="data:image/jpg;base64,`, `style="image-rendering:pixelated" preserveAspectRatio="none" xlink:href="data:image/png;base64,`,
)
