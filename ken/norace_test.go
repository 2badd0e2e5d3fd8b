//go:build !race

package ken

const raceEnabled = false
