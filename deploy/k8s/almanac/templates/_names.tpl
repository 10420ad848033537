{{/*
What names begin with: the release's name. One of more than 28 characters is cut, with a hash of the whole, so that the
longest name that comes of it, keda-hpa-<release>-delivery-worker-critical, has at most the 63 that a name may have.
*/}}
{{- define "almanac.release" -}}
{{- if le (len .Release.Name) 28 }}{{ .Release.Name }}{{ else }}{{ trunc 19 .Release.Name | trimSuffix "-" }}-{{ sha256sum .Release.Name | trunc 8 }}{{ end }}
{{- end }}

{{/* Labels of everything. Argument: (dict "root" $ "component" name "service" name or "") */}}
{{- define "almanac.labels" -}}
{{ include "almanac.selector" . }}
app.kubernetes.io/part-of: almanac
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .service }}
almanac/service: {{ include "almanac.service" . }}
{{- end }}
{{- end }}

{{/* A service's own name, which its image has too; with underscores it is its module. Argument: as components have it */}}
{{- define "almanac.service" -}}
{{ . }}{{ if ne . "console" }}-service{{ end }}
{{- end }}

{{- define "almanac.selector" -}}
app.kubernetes.io/name: almanac
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "almanac.image" -}}
{{ .root.Values.image.registry }}/{{ include "almanac.service" .service }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- with index .root.Values.image.digests .service }}@{{ . }}{{ end }}
{{- end }}

{{/* Annotations that make a resource part of the hook that runs before an install or upgrade. Argument: root, weight */}}
{{- define "almanac.hook" -}}
{{- if .root.Values.hooks.enabled -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation
{{- else -}}
almanac/applied: any-order
{{- end }}
{{- end }}

{{/* The Secret of a service. Argument: root, service */}}
{{- define "almanac.secretName" -}}
{{- $secret := (index .root.Values.services .service).secret -}}
{{- if eq .root.Values.secrets.kind "existing" }}{{ $secret.name }}{{ else }}{{ include "almanac.release" .root }}-{{ .service }}{{ end }}
{{- end }}

{{/* The Secret of a service that its Jobs read: as hooks they run before what belongs to the release is there. */}}
{{- define "almanac.jobSecretName" -}}
{{- include "almanac.secretName" . }}
{{- if and .root.Values.hooks.enabled (ne .root.Values.secrets.kind "existing") }}-jobs{{ end }}
{{- end }}

{{- define "almanac.otlpEndpoint" -}}
{{- if .Values.telemetry.otlpEndpoint -}}
{{ .Values.telemetry.otlpEndpoint }}
{{- else if .Values.collector.enabled -}}
http://{{ include "almanac.release" . }}-collector:4318
{{- end }}
{{- end }}

{{- define "almanac.queueUrl" -}}
{{- $aws := .root.Values.aws -}}
{{ $aws.endpointUrl | default (printf "https://sqs.%s.amazonaws.com" $aws.region) }}/{{ $aws.accountId }}/{{ .root.Values.topology.prefix }}-{{ .queue }}
{{- end }}

{{/* The most pods of a component: what its queues' fleet concurrency allows. Argument: root, component (of the file), size (of the values) */}}
{{- define "almanac.ceiling" -}}
{{- $queues := (.root.Files.Get "files/topology.yaml" | fromYaml).queues -}}
{{- $ceiling := 1000 -}}
{{- $inHand := .size.slots | default .component.inHand -}}
{{- range .component.queues -}}
{{- $ceiling = min $ceiling (div (index $queues .).concurrency $inHand) -}}
{{- end -}}
{{ $ceiling }}
{{- end }}
