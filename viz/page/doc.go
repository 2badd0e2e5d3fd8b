// Package page makes one HTML page of all views of a model, which needs nothing else, and a
// folder with that page and the pictures of all views.
//
// The page embeds its style sheet, its script and all pictures. Maps are PNGs in greys that
// stand for levels; filters in the style sheet turn them into the colours of the light or dark
// theme. Charts are SVG elements whose colours are CSS variables.
package page
