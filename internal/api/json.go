package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"nodeagent/internal/view"
)

// bodyLimit of a request, in bytes.
const bodyLimit = 64 << 10

func reply(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
		b, _ = json.Marshal(view.Error{Problem: fmt.Sprintf("encode the answer: %v", err)})
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

func fail(w http.ResponseWriter, status int, problem, fix string) {
	write(w, status, view.Error{Problem: problem, Fix: fix})
}

// failed answers with what a backend's call returned.
func failed(w http.ResponseWriter, err error) {
	var e *view.Error
	if errors.As(err, &e) {
		write(w, http.StatusBadRequest, e)
		return
	}
	fail(w, http.StatusInternalServerError, err.Error(), "see the agent's log")
}

// body reads a request's JSON into v, or answers and returns false.
func body(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", bodyLimit), "send less")
	default:
		fail(w, http.StatusBadRequest, fmt.Sprintf("read the body: %v", err), "send one JSON object with the fields of this route")
	}
	return false
}
