package ken

import (
	"math"
	"slices"

	"kenserve/kde"
)

// A matcher selects as KEN does: it matches the points at which the row's density is
// taken with values of the row.
//
// Equal values form one distinct value with a list of columns, which are taken from
// the lowest up. Distinct values are numbered from 1 in rising order. Two sentinels,
// -Inf before the first and +Inf after the last, are never taken; with them no
// search has to test for the end of the row.
type matcher struct {
	sorter    sorter
	estimator kde.Estimator

	// Indexed by the position in the sorted row.
	sample  []float32
	columns []int32

	// Indexed by the number of the distinct value.
	values       []float32
	columnStarts []int32 // where its columns begin in columns; they end where the next value's begin
	nextColumn   []int32 // position in columns of its first column that is not taken
	remaining    remaining

	// Indexed by point.
	points   []float64
	targets  []float32 // the points in float32, then +Inf
	levels   []int32
	ceilings []int32 // number of the first value at or above the target

	runs []uint64 // see sortRuns
}

// noColumn is the column of both sentinels. A distance is a float32 difference and
// can overflow to +Inf, the distance of a sentinel; the higher column then makes
// the sentinel lose the tie.
const noColumn = math.MaxInt32

// choose sets the bits of a cleared mask for the columns that KEN keeps with k points.
// 0 < k < len(row), and all weights are finite.
func (m *matcher) choose(mask []uint64, row []float32, k int) {
	mean, deviation := kde.Moments(row)
	if deviation == 0 {
		setFirst(mask, len(row))
		return
	}
	m.grow(len(row), k)
	m.collectDistinct(m.sorter.sort(row, mean, deviation))
	if m.sample[0] == m.sample[len(row)-1] {
		// A constant row whose float32 mean differs from its value by rounding.
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

// grow sizes the slices for a row of n weights and k points.
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

// collectDistinct splits the sorter's keys into values and columns, and collects the
// distinct values.
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

// locateTargets sets ceilings, the first value at or above every target. It counts
// for every target the values that have it as the first target above them. The
// points are evenly spaced, so a value's position among them gives that target: the
// target before the whole part of the position is at or below the value, whatever the
// rounding, and only one or two more targets have to be passed. Merging the two sorted lists would
// be slower, because the processor mispredicts its branches.
func (m *matcher) locateTargets() {
	k := len(m.points)
	targets, ceilings := m.targets[:k+1], m.ceilings[:k]
	for i, point := range m.points {
		targets[i] = float32(point)
	}
	targets[k] = float32(math.Inf(1))
	clear(ceilings)
	low := m.points[0]
	if k > 1 { // a single point is the lowest value
		inverse := float64(k-1) / (m.points[k-1] - low)
		for _, v := range m.values[1 : len(m.values)-1] {
			above := int((float64(v) - low) * inverse)
			for targets[above] <= v {
				above++
			}
			if above < k {
				ceilings[above]++
			}
		}
	}
	ceiling := int32(1)
	for i, count := range ceilings {
		ceiling += count
		ceilings[i] = ceiling
	}
}

// sortRuns finds the runs of neighbouring points with the same level, and sorts them
// by falling level, equal ones from left to right. A run is one number: MaxInt32 less
// the level in the upper half, the first point in the lower. Densities are smooth,
// so there are far fewer runs than points.
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

// nearest returns the remaining value nearest to p; among equally near ones the one
// with the lowest free column. ceiling is the first value at or above p. At least one
// value must remain.
func (m *matcher) nearest(ceiling int, p float32) int {
	values := m.values
	left, right := m.remaining.below(ceiling), m.remaining.atOrAbove(ceiling)
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
	// Away from p, distances never decrease: if the next value is further away,
	// so are all values after it.
	if next := values[value+step]; absolute(next-p) == distance {
		value = m.breakTie(value, step, p)
	}
	return value
}

// breakTie looks at the remaining values from value on, in the direction of step,
// that are as near to p as value. It returns the one with the lowest free column.
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

// lowestFreeColumn returns the lowest column of a remaining value that is not taken.
func (m *matcher) lowestFreeColumn(value int) int32 { return m.columns[m.nextColumn[value]] }

// take takes the lowest free column of a value. When it takes the first one, it sets
// the mask's bits for all columns of the value, because duplicates are kept together.
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
