// Package figure draws the views of package viz as PNG or SVG pictures, or writes their numbers
// as JSON. A picture has the same layout at every size in pixels.
package figure
