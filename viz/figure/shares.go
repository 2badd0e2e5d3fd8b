package figure

import (
	"fmt"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
	"kenserve/viz/internal/format"
	"kenserve/viz/internal/raster"
)

// Sizes of the table, in points.
const (
	tableLine   = 18
	tableNames  = 210
	tableAll    = 52
	tableNumber = 30 // smallest width of a cell with a number in it
)

// sharesPicture is a table of the shares kept, with a row for each type of tensor and a column
// for each layer.
type sharesPicture viz.Shares

// lines returns the number of rows with shares.
func (s *sharesPicture) lines() int { return len(s.Kinds) + len(s.Others) }

func (s *sharesPicture) height() vg.Length {
	return 44 + vg.Length(s.lines()+3)*tableLine + 40
}

func (s *sharesPicture) draw(f canvas.Frame) {
	f = f.Titled("Share kept by layer and type of tensor", fmt.Sprintf("%s of %s values of the base's tensors kept (%s), and a head of %s values", format.Count(s.Kept), format.Count(s.Values), format.Percent((*viz.Shares)(s).Share()), format.Count(s.Head)))
	line, top := 0, raster.SharesEnd((*viz.Shares)(s))
	at := func() vg.Length { return vg.Length(line) * tableLine }
	cell := func(left, width vg.Length, value float64) {
		c := f.Part(left+1, at()+1, width-2, tableLine-2)
		l := raster.TableLevel(value, top)
		c.FillPolygon(f.Ramp(l), canvas.Corners(c.Rectangle))
		canvas.Outline(c)
		if width >= tableNumber {
			c.WriteAligned(canvas.TickSize, canvas.TextOn(f.Ramp(l)), text.XCenter, c.Width()/2, 11, format.Percent(value))
		}
	}
	if len(s.Kinds) > 0 {
		width := (f.Width() - tableNames - tableAll) / vg.Length(len(s.Layers))
		width = min(width, 60)
		all := tableNames + width*vg.Length(len(s.Layers))
		for i, layer := range s.Layers {
			f.WriteAligned(canvas.TickSize, f.Soft, text.XCenter, tableNames+width*(vg.Length(i)+0.5), at()+12, strconv.Itoa(layer))
		}
		f.Write(canvas.TickSize, f.Soft, 0, at()+12, "layer")
		f.WriteAligned(canvas.TickSize, f.Soft, text.XCenter, all+tableAll/2, at()+12, "all")
		line++
		for i := range s.Kinds {
			k := &s.Kinds[i]
			f.Write(canvas.TickSize, f.Ink, 0, at()+12, canvas.Fit(format.ShortKind(k.Kind), canvas.TickSize, tableNames-6))
			for j := range k.Tensors {
				if t := &k.Tensors[j]; t.Name != "" {
					cell(tableNames+width*vg.Length(j), width, t.Share())
				}
			}
			cell(all, tableAll, k.Share())
			line++
		}
		line++
	}
	for i := range s.Others {
		t := &s.Others[i]
		f.Write(canvas.TickSize, f.Ink, 0, at()+12, canvas.Fit(t.Name, canvas.TickSize, tableNames-6))
		cell(tableNames, tableAll, t.Share())
		f.Write(canvas.TickSize, f.Soft, tableNames+tableAll+6, at()+12, fmt.Sprintf("%s of %s, %s", format.Count(t.Kept), format.Count(t.Values()), t.Form))
		line++
	}
	f.Part(0, at()+12, f.Width(), 30).DrawScale(0, top, "share kept; a head is always kept whole", format.PercentTick)
}
