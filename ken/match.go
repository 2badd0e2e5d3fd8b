package ken

import (
	"math"
	"slices"

	"kenserve/kde"
)

// A matcher is the selection ken: it matches points of a row's density with
// the row's values.
//
// Values that are equal are one distinct value with a list of columns, of which
// the lowest is taken first. Distinct values are numbered from 1 as they rise.
// An infinite value at either end, never taken, spares every search the
// question whether it has come to an end.
type matcher struct {
	sorter    sorter
	estimator kde.Estimator

	// By place in the sorted row.
	sample  []float32
	columns []int32

	// By distinct value.
	values       []float32
	columnStarts []int32 // where its columns begin; its neighbour's are their end
	nextColumn   []int32 // the first of its columns that is not taken
	remaining    remaining

	// By point.
	points   []float64
	targets  []float32 // the points in float32, then +Inf
	levels   []int32
	ceilings []int32 // the first value that is not below the target

	runs []uint64
}

// Distances are differences of float32s and can overflow: an end's is no
// smaller than any, and its column above all others.
const noColumn = math.MaxInt32

// choose sets the bits of a cleared mask for the columns that KEN keeps with k
// points, 0 < k < n. The row is finite.
func (m *matcher) choose(mask []uint64, row []float32, k int) {
	mean, deviation := kde.Moments(row)
	if deviation == 0 {
		setFirst(mask, len(row))
		return
	}
	m.grow(len(row), k)
	m.collectDistinct(m.sorter.sort(row, mean, deviation))
	if m.sample[0] == m.sample[len(row)-1] {
		// A constant row whose float32 mean is not quite its value.
		setFirst(mask, len(row))
		return
	}
	kde.Grid(m.points, m.sample[0], m.sample[len(row)-1])
	m.estimator.Levels(m.levels, m.points, m.sample, kde.Bandwidth(deviation, len(row)))
	m.locateTargets()
	m.sortRuns()
	for _, run := range m.runs {
		start := int(uint32(run))
		level := m.levels[start]
		for i := start; i < k && m.levels[i] == level; i++ {
			m.take(mask, m.nearest(int(m.ceilings[i]), m.targets[i]))
		}
	}
}

func (m *matcher) grow(n, k int) {
	if n > cap(m.sample) {
		m.sample = make([]float32, n)
		m.columns = make([]int32, n+1)
		m.values = make([]float32, n+2)
		m.columnStarts = make([]int32, n+2)
		m.nextColumn = make([]int32, n+2)
	}
	m.sample, m.columns = m.sample[:n], m.columns[:n+1]
	if k > cap(m.points) {
		m.points = make([]float64, k)
		m.targets = make([]float32, k+1)
		m.levels = make([]int32, k)
		m.ceilings = make([]int32, k)
	}
	m.points, m.targets = m.points[:k], m.targets[:k+1]
	m.levels, m.ceilings = m.levels[:k], m.ceilings[:k]
}

// collect spreads the sorted row out and gathers its distinct values.
func (m *matcher) collectDistinct(sorted []uint64) {
	n := len(sorted)
	values, first := m.values[:n+2], m.columnStarts[:n+2]
	sample, columns := m.sample[:n], m.columns[:n+1]
	values[0], first[0] = float32(math.Inf(-1)), int32(n)
	last := 0
	previous := uint32(0) // no number's bits
	for i, key := range sorted {
		bits := uint32(key >> 32)
		value := fromOrderedBits(bits)
		sample[i] = value
		columns[i] = int32(uint32(key))
		if bits != previous {
			previous = bits
			last++
			values[last] = value
			first[last] = int32(i)
		}
	}
	first[last+1] = int32(n)
	columns[n] = noColumn
	values[last+1] = float32(math.Inf(1))
	m.values = values[:last+2]
	m.columnStarts = first[:last+2]
	m.nextColumn = m.nextColumn[:last+2]
	copy(m.nextColumn, m.columnStarts)
	m.remaining.reset(last + 2)
}

// place finds the first value at or above every target, by counting values by
// the first target above them. As the points are evenly spaced, a value's
// position says which that is: the target before the position's whole part is
// not above the value, whatever the rounding, and only one or two can be left to
// pass. Merging the two rising lists would cost more, as each of its branches
// is hard for a processor to guess.
func (m *matcher) locateTargets() {
	k := len(m.points)
	targets, places := m.targets[:k+1], m.ceilings[:k]
	for i, point := range m.points {
		targets[i] = float32(point)
	}
	targets[k] = float32(math.Inf(1))
	clear(places)
	low := m.points[0]
	if k > 1 { // a lone point is the lowest value
		inverse := float64(k-1) / (m.points[k-1] - low)
		for _, v := range m.values[1 : len(m.values)-1] {
			above := int((float64(v) - low) * inverse)
			for targets[above] <= v {
				above++
			}
			if above < k {
				places[above]++
			}
		}
	}
	place := int32(1)
	for i, count := range places {
		place += count
		places[i] = place
	}
}

// sortRuns finds the runs of points of one level and orders them by falling
// level, from left to right where it is the same: the level's distance from
// the highest one in the upper half, the first point in the lower. Densities
// are smooth, so that there are far fewer runs than points.
func (m *matcher) sortRuns() {
	m.runs = m.runs[:0]
	previous := int32(-1)
	for i, level := range m.levels {
		if level != previous {
			m.runs = append(m.runs, uint64(math.MaxInt32-level)<<32|uint64(i))
			previous = level
		}
	}
	slices.Sort(m.runs)
}

// nearest returns the remaining value that is nearest to p, the one with the
// lowest free column where several are equally near. Value number place is the
// first that is not below p. At least one value remains.
func (m *matcher) nearest(place int, p float32) int {
	values := m.values
	left, right := m.remaining.below(place), m.remaining.atOrAbove(place)
	below, above := p-values[left], values[right]-p
	if below == above {
		left, right = m.breakTie(left, -1, p), m.breakTie(right, 1, p)
		if m.lowestFreeColumn(left) < m.lowestFreeColumn(right) {
			return left
		}
		return right
	}
	value, step, distance := left, -1, below
	if above < below {
		value, step, distance = right, 1, above
	}
	// Seen from p, distances never fall: if the neighbour is further away, then
	// so is every value behind it.
	if next := values[value+step]; absolute(next-p) == distance {
		value = m.breakTie(value, step, p)
	}
	return value
}

// lowestColumn returns, of the remaining values from value on in the direction
// of step that are as near to p as value is, the one with the lowest free
// column.
func (m *matcher) breakTie(value, step int, p float32) int {
	distance := absolute(m.values[value] - p)
	best := value
	for {
		if step < 0 {
			value = m.remaining.below(value)
		} else {
			value = m.remaining.atOrAbove(value + 1)
		}
		if value < 0 || absolute(m.values[value]-p) != distance {
			return best
		}
		if m.lowestFreeColumn(value) < m.lowestFreeColumn(best) {
			best = value
		}
	}
}

// column returns the lowest column of a remaining value that is not taken.
func (m *matcher) lowestFreeColumn(value int) int32 { return m.columns[m.nextColumn[value]] }

// take takes the lowest free column of a value and marks, with the first one
// that is taken, all of the value's columns.
func (m *matcher) take(mask []uint64, value int) {
	first, end := m.columnStarts[value], m.columnStarts[value+1]
	if m.nextColumn[value] == first {
		for _, column := range m.columns[first:end] {
			setBit(mask, int(column))
		}
	}
	m.nextColumn[value]++
	if m.nextColumn[value] == end {
		m.remaining.remove(value)
	}
}

func absolute(v float32) float32 {
	return math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
}
