import type { Notification } from './alert-outbox.ts'
import type { AlertPlace } from './alert-place.ts'
import { alertTexts } from './alert-texts.ts'

/** A message to an incoming webhook of Slack, or of what understands the same. */
export const slackPayload = (notification: Notification, { service, dashboard }: AlertPlace) => {
  const { summary, description, causes, operations, examples } = alertTexts(notification)
  const sign = notification.kind === 'fires' ? ':rotating_light:' : ':white_check_mark:'
  const title = escaped(`${service}: ${summary}`)
  const facts = [
    causes === '' ? undefined : `*Causes:* ${escaped(causes)}`,
    operations === '' ? undefined : `*Operations:* ${escaped(operations)}`,
    examples === ''
      ? undefined
      : `*Examples:* ${examples
          .split(' ')
          .map((id) => `\`${escaped(id)}\``)
          .join(' ')}`,
    dashboard === undefined ? undefined : `<${escaped(dashboard)}|Dashboard>`,
  ].filter((fact) => fact !== undefined)
  return {
    text: `${sign} ${title}`,
    blocks: [
      section(`${sign} *${title}*\n${escaped(description)}`),
      ...(facts.length === 0 ? [] : [section(facts.join('\n'))]),
    ],
  }
}

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } })

/** What Slack would take for its own (https://docs.slack.dev/messaging/formatting-message-text#escaping). */
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
