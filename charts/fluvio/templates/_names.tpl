{{/* Labels of every object of the release. */}}
{{- define "fluvio.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: fluvio
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: fluvio
{{- end }}

{{/* The pod that leads: standbys are ready too, and get no traffic. The operator sets the label. */}}
{{- define "fluvio.leaderSelector" -}}
app: fluvio-sc
fluvio.io/leader: "true"
{{- end }}

{{/* An image's name: (list . repository digest). A digest replaces the tag. */}}
{{- define "fluvio.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $name := index . 1 -}}
{{- $digest := index . 2 -}}
{{- if $image.registry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" $image.registry) $name -}}
{{- end -}}
{{- if $digest -}}
{{- printf "%s@%s" $name $digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/* Names of cluster-wide objects bear the namespace: instances must not share them. */}}
{{- define "fluvio.clusterName" -}}
fluvio-sc-{{ .Release.Namespace }}
{{- end }}

{{/* A map without the fields that are set to null. */}}
{{- define "fluvio.present" -}}
{{- $present := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $present $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $present -}}
{{- end }}
