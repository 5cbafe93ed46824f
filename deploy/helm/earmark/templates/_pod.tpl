{{- /* What the server's pods and the migrations' pod have in common. */}}

{{- define "earmark.selector" -}}
app.kubernetes.io/name: earmark
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "earmark.labels" -}}
{{ include "earmark.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "earmark.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  # No user or group: the image names one that is not root, and OpenShift chooses one for each namespace.
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
volumes:
  - name: database
    secret:
      secretName: {{ .Values.database.secretName }}
      # For any user. Only this program runs in the pod.
      defaultMode: 0444
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "earmark.container" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# `[::]` takes IPv6 and IPv4. Not in a ConfigMap: this way a changed setting restarts the pods, and the migrations run before a ConfigMap would exist.
env:
  - { name: EARMARK_LISTEN, value: "[::]:8080" }
  - { name: EARMARK_ADMIN_LISTEN, value: "[::]:8081" }
  - { name: EARMARK_DATABASE_URL_FILE, value: {{ printf "/run/secrets/earmark/%s" .Values.database.secretKey | quote }} }
  {{- /* Helm reads whole numbers as floating ones. */}}
  {{- range $name, $value := .Values.settings }}
  - { name: {{ $name }}, value: {{ kindIs "float64" $value | ternary (int64 $value) $value | toString | quote }} }
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
volumeMounts:
  - { name: database, mountPath: /run/secrets/earmark, readOnly: true }
{{- end }}
