// Package tune makes a delta from labelled texts: it trains a classifier over a base, on the
// processor, and writes what a server needs.
//
// [Run] does all of it, in this order:
//
//	read      texts, labels and what is wrong with them (internal/examples)
//	report    findings are given to Events.Data before anything is trained
//	train     an encoder of package models/grad and a head (internal/train)
//	write     the delta, or for Options.Full a tuned checkpoint, which prune makes smaller
//	check     the delta classifies the dev set as a server would
//	calibrate the temperature and the thresholds are fitted and stored
//
// Run prints nothing, and ends when its context does. A program follows it through [Events].
//
// # Recipes
//
// A [Recipe] holds the numbers of a training. Those that a caller leaves at 0 get defaults
// that depend on the sizes of model and data; docs/tune.md has the table and the
// measurements. The complete recipe is stored in the delta.
package tune
