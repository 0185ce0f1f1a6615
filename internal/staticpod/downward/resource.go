package downward

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resource is the value of a resourceFieldRef for container c, which the caller has found by the reference's name: the amount in units of
// the divisor (1 if none is given), rounded up. A limit of cpu or memory that the container does not have is the node's capacity; a
// request it does not have is its limit, else 0.
func Resource(c *corev1.Container, ref *corev1.ResourceFieldSelector, f Facts) (string, error) {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	served := corev1.ResourceName(name)
	if served != corev1.ResourceCPU && served != corev1.ResourceMemory && served != corev1.ResourceEphemeralStorage {
		kind = ""
	}
	var q resource.Quantity
	switch kind {
	case "limits":
		q = c.Resources.Limits[served]
		if q.IsZero() {
			var err error
			if q, err = capacity(served, f); err != nil {
				return "", fmt.Errorf("resource %s of container %s: %w", ref.Resource, c.Name, err)
			}
		}
	case "requests":
		var ok bool
		if q, ok = c.Resources.Requests[served]; !ok {
			q = c.Resources.Limits[served]
		}
	default:
		return "", fmt.Errorf("resource %s is not served: use limits. or requests. with cpu, memory or ephemeral-storage", ref.Resource)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = *resource.NewQuantity(1, resource.DecimalSI)
	}
	amount, unit := q.Value(), divisor.Value()
	if served == corev1.ResourceCPU {
		amount, unit = q.MilliValue(), divisor.MilliValue()
	}
	if unit <= 0 || amount < 0 {
		return "", fmt.Errorf("resource %s of container %s: %s in units of %s makes no sense", ref.Resource, c.Name, q.String(), divisor.String())
	}
	units := amount / unit
	if amount%unit > 0 {
		units++
	}
	return strconv.FormatInt(units, 10), nil
}

// capacity of the node stands in for a missing limit, as kubelet's MergeContainerResourceLimits has it.
func capacity(name corev1.ResourceName, f Facts) (resource.Quantity, error) {
	switch {
	case name == corev1.ResourceCPU && f.CapacityMilliCPU > 0:
		return *resource.NewMilliQuantity(f.CapacityMilliCPU, resource.DecimalSI), nil
	case name == corev1.ResourceMemory && f.CapacityMemory > 0:
		return *resource.NewQuantity(f.CapacityMemory, resource.BinarySI), nil
	}
	return resource.Quantity{}, fmt.Errorf("no limit is set and the node's %s is not known: set a limit", name)
}
