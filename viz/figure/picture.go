package figure

import (
	"fmt"

	"gonum.org/v1/plot/vg"

	"kenserve/viz"
	"kenserve/viz/internal/canvas"
)

// A picture draws one view.
type picture interface {
	// height returns the height of the picture in points. Its width is figureWidth.
	height() vg.Length
	// draw draws the picture into a frame of that size.
	draw(f canvas.Frame)
}

// pictureOf returns the picture of a view.
func pictureOf(v viz.View) picture {
	switch v := v.(type) {
	case *viz.Kept:
		return (*keptPicture)(v)
	case *viz.Neighbours:
		return (*neighboursPicture)(v)
	case *viz.Layers:
		return (*layersPicture)(v)
	case *viz.Density:
		return (*densityPicture)(v)
	case *viz.Changes:
		return (*changesPicture)(v)
	case *viz.Shares:
		return (*sharesPicture)(v)
	}
	panic(fmt.Sprintf("figure: no picture for a view of type %T", v))
}

// A Chart is the diagram of a view without a title, and a caption for it.
type Chart struct {
	Caption string
	Draw    func(f canvas.Frame)
}

// ChangesChart returns the chart of the changes: their histogram.
func ChangesChart(c *viz.Changes) Chart {
	p := (*changesPicture)(c)
	return Chart{p.caption(), p.drawChart}
}

// DensityChart returns the chart of a density: the curve and the values of the row.
func DensityChart(d *viz.Density) Chart {
	p := (*densityPicture)(d)
	return Chart{p.caption(), p.drawChart}
}
