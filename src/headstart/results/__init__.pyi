from ._audit import (
    AuditedImage as AuditedImage,
    AuditReport as AuditReport,
    ClassCount as ClassCount,
    DuplicatePair as DuplicatePair,
    ExpectedWrong as ExpectedWrong,
    FileCounts as FileCounts,
    GroupReport as GroupReport,
    ImagePart as ImagePart,
    InferredGroup as InferredGroup,
    Leak as Leak,
    LeakEffect as LeakEffect,
    OddImage as OddImage,
    PropertyScore as PropertyScore,
    QualityIssue as QualityIssue,
    ShortcutReport as ShortcutReport,
    Suspect as Suspect,
    UnreadableImage as UnreadableImage,
)
from ._augmentation import (
    AugmentationCheck as AugmentationCheck,
)
from ._backbone_ranking import (
    BackboneCandidate as BackboneCandidate,
    BackboneRanking as BackboneRanking,
    RecommendedBackbone as RecommendedBackbone,
)
from ._base import (
    EvaluationPart as EvaluationPart,
    Interval as Interval,
    JsonObject as JsonObject,
    ResultModel as ResultModel,
    VersionedModel as VersionedModel,
)
from ._comparison import (
    BaselineScore as BaselineScore,
    Comparison as Comparison,
    Contender as Contender,
    ContenderFinding as ContenderFinding,
    ContenderPair as ContenderPair,
    ContenderScores as ContenderScores,
    FailedContender as FailedContender,
    McNemarTest as McNemarTest,
    MetricScores as MetricScores,
    Verdict as Verdict,
)
from ._effects import (
    EffectResult as EffectResult,
    Effects as Effects,
    FitDiagnosis as FitDiagnosis,
    UnchangedRecipe as UnchangedRecipe,
)
from ._finding import (
    Budget as Budget,
    CrossValidation as CrossValidation,
    DatasetSummary as DatasetSummary,
    Difference as Difference,
    EvaluationReuse as EvaluationReuse,
    Finding as Finding,
    PartSummary as PartSummary,
    PlanSummary as PlanSummary,
    SeedFailure as SeedFailure,
    SeedScores as SeedScores,
    SeedSpread as SeedSpread,
    SplitParts as SplitParts,
)
from ._fit import (
    FitChoice as FitChoice,
    FitEstimate as FitEstimate,
    FitFinding as FitFinding,
    FitMember as FitMember,
    FitProgress as FitProgress,
    FitSeconds as FitSeconds,
    TriedRung as TriedRung,
)
from ._image_settings import (
    ImageSettings as ImageSettings,
)
from ._label_curves import (
    LabelComparison as LabelComparison,
    LabelContender as LabelContender,
    LabelCurves as LabelCurves,
    LabelDifference as LabelDifference,
    LabelEstimate as LabelEstimate,
    LabelMatch as LabelMatch,
    LabelPoint as LabelPoint,
)
from ._last_fit import (
    LastFit as LastFit,
)
from ._learning_rates import (
    LearningRateRange as LearningRateRange,
    LearningRateResult as LearningRateResult,
    LearningRates as LearningRates,
    RangeTestCurve as RangeTestCurve,
    RangeTests as RangeTests,
)
from ._metrics import (
    BackboneUse as BackboneUse,
    ClassScores as ClassScores,
    CostScores as CostScores,
    LayerSummary as LayerSummary,
    MemberRun as MemberRun,
    MetricScore as MetricScore,
    PartMetrics as PartMetrics,
    PartScores as PartScores,
    RunMetrics as RunMetrics,
    RunSeconds as RunSeconds,
    RunSummary as RunSummary,
    count_solved_heads as count_solved_heads,
)
from ._predictions_file import (
    PredictionRow as PredictionRow,
    PredictionsFile as PredictionsFile,
    read_predictions_file as read_predictions_file,
)
from ._progress import (
    PROGRESS_FILE as PROGRESS_FILE,
    ListedRun as ListedRun,
    ListedScores as ListedScores,
    RunProgress as RunProgress,
    read_listed_run as read_listed_run,
    read_progress as read_progress,
)
from ._read import (
    FINDINGS as FINDINGS,
    read_finding as read_finding,
    read_metrics as read_metrics,
)
from ._robustness import (
    Robustness as Robustness,
    RobustnessCheck as RobustnessCheck,
    SliceDifference as SliceDifference,
    Slices as Slices,
)
from ._schemas import (
    FILES as FILES,
    schema_text as schema_text,
    write_schemas as write_schemas,
)
from ._starting_point import (
    StartingPoint as StartingPoint,
)
from ._tuning import (
    ChosenValue as ChosenValue,
    Optimism as Optimism,
    Rung as Rung,
    Trial as Trial,
    TrialRung as TrialRung,
    TunedFold as TunedFold,
    Tuning as Tuning,
    TuningProgress as TuningProgress,
    TuningSeconds as TuningSeconds,
    ValidationScores as ValidationScores,
)
