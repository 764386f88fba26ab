"""Every check, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Sequence

from bot.doctor.address import BotAnswers, LinksOpen, RedirectsFit, SlackCallsUs
from bot.doctor.channels import ChannelsOpen
from bot.doctor.clock_skew import ClockRight
from bot.doctor.configured import SecretKey, SettingsComplete
from bot.doctor.database import DatabaseWritable, DiskSpace, ParkedEffects
from bot.doctor.finding import Check
from bot.doctor.loaded_flows import FlowsCanAsk, FlowsLoad
from bot.doctor.mail import GmailSends, GoogleAccounts, SenderPlausible, SmtpTakes
from bot.doctor.other_accounts import ConnectionsAnswer
from bot.doctor.patient import Patient
from bot.doctor.slack_tokens import ScopesGranted, SocketModeOpens, TokensValid
from bot.doctor.workspaces import WorkspacesConnected


def every(problems: Sequence[str] = ()) -> tuple[Check[Patient], ...]:
    """All of them. ``problems`` are what keeps ``signoff serve`` from taking the settings."""
    return (
        SettingsComplete(problems),
        SecretKey(),
        DatabaseWritable(),
        DiskSpace(),
        ParkedEffects(),
        ClockRight(),
        TokensValid(),
        ScopesGranted(),
        SocketModeOpens(),
        SlackCallsUs(),
        WorkspacesConnected(),
        ChannelsOpen(),
        BotAnswers(),
        LinksOpen(),
        RedirectsFit(),
        GmailSends(),
        GoogleAccounts(),
        SmtpTakes(),
        SenderPlausible(),
        ConnectionsAnswer(),
        FlowsLoad(),
        FlowsCanAsk(),
    )
