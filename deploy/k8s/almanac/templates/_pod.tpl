{{- define "almanac.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "almanac.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod of ours may run. Argument: root, selector labels */}}
{{- define "almanac.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a container's settings come from beside `env`. Argument: root, secret (a name or "") */}}
{{- define "almanac.envFrom" -}}
{{- if or .secret .root.Values.pod.envFrom }}
envFrom:
  {{- with .secret }}
  - secretRef:
      name: {{ . }}
  {{- end }}
  {{- with .root.Values.pod.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Settings that all processes of ours read, Jobs too. Argument: root */}}
{{- define "almanac.busEnvironment" -}}
- name: AWS_REGION
  value: {{ .Values.aws.region }}
- name: AWS_ACCOUNT_ID
  value: {{ .Values.aws.accountId | quote }}
{{- with .Values.aws.endpointUrl }}
- name: AWS_ENDPOINT_URL
  value: {{ . }}
{{- end }}
- name: TOPOLOGY_PREFIX
  value: {{ .Values.topology.prefix }}
{{- end }}

{{/*
Settings of one component; services.<service>.env and, over it, components.<component>.env replace those of the chart.
A name that occurs twice is refused by server-side apply. Argument: root, component, size
*/}}
{{- define "almanac.environment" -}}
{{- $own := merge (dict) .size.env (index .root.Values.services (.component.shares | default .component.service)).env }}
{{- range include "almanac.chartEnvironment" . | fromYamlArray }}
{{- if not (hasKey $own .name) }}
{{ list . | toYaml }}
{{- end }}
{{- end }}
{{- range $name, $value := $own }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* What the chart itself sets of a component. Argument: root, component, size */}}
{{- define "almanac.chartEnvironment" -}}
{{- $values := .root.Values -}}
{{- if has "bus" .component.egress }}
{{ include "almanac.busEnvironment" .root }}
{{- end }}
- name: API_HOST
  value: "::" # every address of both families
- name: API_PORT
  value: "8000"
{{- if has "database" .component.egress }}
- name: DATABASE_POOL_SIZE
  value: {{ .size.connections | quote }}
- name: DATABASE_POOLER
  value: {{ or $values.database.pooler $values.pgbouncer.enabled | quote }}
{{- end }}
- name: SHUTDOWN_GRACE_SECONDS
  value: {{ .size.drainSeconds | quote }}
- name: SETTINGS_GRACE_SECONDS
  value: "300"
- name: LOG_LEVEL
  value: {{ $values.log.level }}
{{- with include "almanac.otlpEndpoint" .root }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . }}
{{- end }}
- name: OTEL_TRACES_SAMPLER_RATIO
  value: {{ $values.telemetry.samplerRatio | quote }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ .root.Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- if .component.slots }}
- name: {{ .component.slots }}
  value: {{ .size.slots | quote }}
{{- end }}
{{- if eq .component.service "analytics" }}
- name: RUNBOOK_URL
  value: {{ $values.monitoring.runbookUrl }}
{{- end }}
{{- range .component.keys }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ include "almanac.secretName" (dict "root" $.root "service" $.component.shares) }}
      key: {{ . }}
      optional: true
{{- end }}
{{- if has "services" .component.egress }}
{{- range $service := without (list "user" "event" "delivery" "analytics") .component.service }}
- name: {{ upper $service }}_SERVICE_URL
  value: http://{{ include "almanac.release" $.root }}-{{ $service }}-api
{{- end }}
{{- end }}
{{- end }}
